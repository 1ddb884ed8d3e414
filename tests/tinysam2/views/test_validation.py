"""What the terminal shows of a validation: memory beside the budget, and why a gate failed."""

from dataclasses import replace

import pytest

from tinysam2.core.config import preset
from tinysam2.core.contract import program_contract
from tinysam2.mobile_runtime.memory.accounting import Peak, TensorBytes, account
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS, Limit
from tinysam2.validation.memory.gates import memory_gates
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.parity.bank_states import StateCalls
from tinysam2.validation.parity.check import ChainParity, ClipParity, ProgramParity, TensorParity
from tinysam2.validation.reporting.report import ClipReport, Report, TargetReport
from tinysam2.views.validation import print_report

MIB = 2**20
NANO, BUDGET = preset("nano"), DEFAULT_BUDGETS["nano"]
SCORE = {"J": 0.6, "F": 0.8, "JF": 0.7}
LOST = {name: value - 0.03 for name, value in SCORE.items()}
CHAIN = ChainParity(
    (
        ClipParity("koi", (1.0, 0.98), {"empty": 118.25}, SCORE, SCORE),
        ClipParity("newt", (1.0,), {"empty": 120.0}, LOST, SCORE),
    ),
    124,
    25_176,
)
STATES = {"empty": StateCalls(1), "occluded": StateCalls(made=1), "two objects": StateCalls()}
CLIPS = (ClipReport("koi", 2, 96, 72, 1, STATES), ClipReport("newt", 1, 96, 72, 1, STATES))
PEAK = Peak(2 * MIB, "planned", "conv_7", (TensorBytes("wide_4", MIB), TensorBytes("image", 1024)))
MEMORY = account(NANO, 4, 8 * MIB, dict.fromkeys(program_contract(NANO), (3 * MIB, PEAK)), arenas_stay=True)
MEASURED = MeasuredMemory(300, 100 * MIB, 110 * MIB, 111 * MIB, 125 * MIB, round(0.5 * MIB), 25_176, 25_176)


@pytest.fixture
def shown(capsys):
    def show(budget=BUDGET, measured=None) -> str:
        programs = tuple(
            ProgramParity(name, 1, (TensorParity("out", 120.0, 1.0, 0.0),), None) for name in program_contract(NANO)
        )
        gates = tuple(memory_gates(NANO, MEMORY, CHAIN, budget, measured))
        target = TargetReport("executorch", "fp32", "a test", {}, programs, CHAIN, MEMORY, measured, gates)
        print_report(Report("nano", "seeded", "0" * 64, False, CLIPS, budget, MEMORY, measured, (target,)))
        return capsys.readouterr().out

    return show


def row(printed: str, name: str) -> list[str]:
    """The figures of the last row of that name."""
    return [line for line in printed.splitlines() if line.strip().startswith(name)][-1].split()


def test_memory_stands_by_program_with_its_tensor_at_the_peak(shown):
    line = row(shown(), "mask_decoder")
    assert line[1:] == ["3,072.0", "2,048.0", "528.1", "16.5", "wide_4", "in", "conv_7"]


def test_the_models_stand_beside_the_budget(shown):
    printed = shown()
    assert row(printed, "float model")[2:] == ["8.00", "2.00", "8.00", "0.50", "0.024", "16.52", "planned"]
    assert row(printed, "budget")[1:] == [f"{limit.mib:g}" for limit in
                                          (BUDGET.weights, BUDGET.activations, BUDGET.bank, BUDGET.total)]  # fmt: skip


def test_clips_stand_with_the_float_models_jf_beside_the_artifacts(shown):
    printed = shown()
    koi, newt, mean = (row(printed, name) for name in ("koi", "newt", "mean of 2"))
    assert koi[1:] == ["executorch", "fp32", "2", "of", "96x72", "1", "70.00", "70.00", "0.9900", "0.9800"]
    assert newt[-5:] == ["70.00", "67.00", "1.0000", "1.0000", "REGRESSED"]
    assert mean[-4:] == ["70.00", "68.50", "0.9950", "0.9800"]


def test_states_of_the_bank_are_counted_and_those_that_were_not_met_are_named(shown):
    printed = shown()
    assert row(printed, "empty") == ["empty", "2", "118.2"]
    assert row(printed, "occluded") == ["occluded", "0", "2"]
    assert "not covered: two objects" in printed


def test_what_was_measured_is_told_apart_from_the_runtime_alone(shown):
    printed = shown(measured=MEASURED)
    assert row(printed, "executorch")[1:] == ["100.00", "10.00", "25.00", "0.50"]
    assert row(printed, "budget")[1:] == ["0"]
    assert "not measured" not in printed


def test_what_was_not_measured_is_said_where_the_verdict_is(shown):
    assert "passed: executorch fp32 (a test; growth of memory not measured)" in shown(
        replace(BUDGET, total=Limit(20, "why"))
    )


def test_a_budget_that_is_exceeded_is_told_with_program_operation_and_tensor(shown):
    [failure, *_] = [
        line for line in shown(replace(BUDGET, activations=Limit(1, "why"))).splitlines() if "failed:" in line
    ]
    assert failure == (
        "  failed: executorch image_encoder: activations MiB is 2 and must be at most 1 (why); at its peak, in conv_7, "
        "these are alive: wide_4 (1,024.0 KiB), image (1.0 KiB)"
    )


def test_what_a_target_does_not_tell_is_shown_as_not_available(capsys):
    programs = tuple(
        ProgramParity(name, 1, (TensorParity("out", 120.0, 1.0, 0.0),), None) for name in program_contract(NANO)
    )
    gates = tuple(memory_gates(NANO, None, CHAIN, BUDGET))
    target = TargetReport(
        "onnx", "int8", "a test", {}, programs, CHAIN, None, None, gates, ("static memory", "integers")
    )
    print_report(Report("nano", "seeded", "0" * 64, False, CLIPS, BUDGET, MEMORY, None, (target,)))
    printed = capsys.readouterr().out
    assert row(printed, "onnx")[1:] == ["-"] * 6 + ["not", "available"]
    assert "static memory: not available" in printed
    assert "memory layout: not available" in printed
    assert "(a test; growth of memory not measured; not available: static memory, integers)" in printed
