"""Each gate passes at its limit and fails just beyond it, and no other gate with it."""

from dataclasses import replace

import pytest

from mobile_runtime.backend import ProgramMemory
from models.config import PRESETS, preset
from models.contract import MEMORY_ENCODER, bank_spec
from models.targets import TARGETS
from validation.gates import MEMORY_LIMITS, MIB, PARITY_LIMITS, Gate, memory_gates, parity_gates
from validation.parity import ChainParity, ProgramParity, TensorParity

NANO = preset("nano")
FP32 = PARITY_LIMITS["fp32"]
every_precision = pytest.mark.parametrize("precision", PARITY_LIMITS)


def program(name: str = "mask_decoder", sqnr_db: float = 200.0, same_tokens: float | None = None) -> ProgramParity:
    good, measured = TensorParity("iou", 200.0, 1.0, 0.0), TensorParity("mask_logits", sqnr_db, 1.0, 0.0)
    return ProgramParity(name, 3, (good, measured), same_tokens)


def chain(mean_iou: float = 1.0, min_iou: float = 1.0, tokens: int = 124, bank_bytes: int = 25_000) -> ChainParity:
    """A clip of 1000 frames of which one has the least IoU and the others make up the mean."""
    others = (1000 * mean_iou - min_iou) / 999
    return ChainParity((min_iou, *[others] * 999), tokens, bank_bytes)


def failed(gates) -> list[tuple[str, str]]:
    return [(gate.subject, gate.measure) for gate in gates if not gate.passed]


@pytest.mark.parametrize(("at_least", "passing"), [(True, (1.0, 1.1)), (False, (1.0, 0.9))])
def test_a_gate_passes_at_its_limit_and_on_its_good_side(at_least, passing):
    for value in (0.9, 1.0, 1.1):
        assert Gate("clip", "a share", value, 1.0, at_least, "why").passed == (value in passing)


@pytest.mark.parametrize("at_least", [True, False])
def test_a_value_that_is_no_number_never_passes(at_least):
    assert not Gate("clip", "a share", float("nan"), 1.0, at_least, "why").passed


@every_precision
def test_the_least_that_is_asked_for_passes(precision):
    limits = PARITY_LIMITS[precision]
    measured = (
        program(sqnr_db=limits.sqnr_db),
        program(MEMORY_ENCODER, limits.sqnr_db, same_tokens=limits.same_tokens),
    )
    gates = parity_gates(precision, measured, chain(limits.mean_iou + 1e-9, limits.min_iou))
    assert failed(gates) == []


@every_precision
def test_one_output_below_the_limit_fails_its_program(precision):
    below = PARITY_LIMITS[precision].sqnr_db - 0.01
    measured = (program("image_encoder"), program("mask_decoder", sqnr_db=below))
    assert failed(parity_gates(precision, measured, chain())) == [("mask_decoder", "SQNR dB")]


@every_precision
def test_other_tokens_kept_fail_the_memory_encoder(precision):
    measured = (program(MEMORY_ENCODER, same_tokens=PARITY_LIMITS[precision].same_tokens - 0.001),)
    assert failed(parity_gates(precision, measured, chain())) == [("memory_encoder", "same tokens")]


@every_precision
def test_other_masks_on_the_whole_fail_the_mean(precision):
    limits = PARITY_LIMITS[precision]
    low = chain(limits.mean_iou - 1e-4, limits.min_iou)
    assert failed(parity_gates(precision, (program(),), low)) == [("clip", "mean mask IoU")]


@every_precision
def test_one_frame_with_another_mask_fails_the_least(precision):
    limits = PARITY_LIMITS[precision]
    low = chain(limits.mean_iou + 1e-4, limits.min_iou - 0.001)
    assert failed(parity_gates(precision, (program(),), low)) == [("clip", "least mask IoU")]


def test_the_token_gate_is_asked_of_the_memory_encoder_only():
    measures = [g.measure for g in parity_gates("fp32", (program(), program(MEMORY_ENCODER, same_tokens=1.0)), chain())]
    assert measures == ["SQNR dB", "SQNR dB", "same tokens", "mean mask IoU", "least mask IoU"]


def test_the_bank_may_take_its_budget_and_no_more():
    limit = MEMORY_LIMITS["nano"]
    most = int(limit.bank_mib * MIB)
    assert failed(memory_gates(NANO, {}, chain(tokens=124, bank_bytes=most))) == []
    assert failed(memory_gates(NANO, {}, chain(tokens=125, bank_bytes=most))) == [("bank", "tokens")]
    assert failed(memory_gates(NANO, {}, chain(tokens=124, bank_bytes=most + 1))) == [("bank", "MiB")]


def test_the_activations_of_each_program_are_held_to_the_budget():
    within = ProgramMemory(1, int(MEMORY_LIMITS["nano"].activations_mib * MIB), "planned", 1, 1)
    beyond = replace(within, activations=within.activations + 1)
    assert failed(memory_gates(NANO, {"a": within, "b": within}, chain())) == []
    assert failed(memory_gates(NANO, {"a": within, "b": beyond}, chain())) == [("b", "activations MiB")]


@pytest.mark.parametrize("name", PRESETS)
def test_a_banks_tensors_fit_each_presets_budget_with_little_to_spare(name):
    elements = 0
    for spec in bank_spec(preset(name)):
        count = 1
        for side in spec.shape:
            count *= side
        elements += count
    share = 4 * elements / MIB / MEMORY_LIMITS[name].bank_mib
    assert 0.8 < share <= 1


def test_dense_memory_would_fail_the_budget():
    assert failed(memory_gates(NANO, {}, chain(tokens=7 * 256, bank_bytes=7 * 256 * 34 * 4))) == [
        ("bank", "tokens"),
        ("bank", "MiB"),
    ]


def test_every_precision_of_every_target_and_every_preset_has_limits():
    assert {precision for target in TARGETS.values() for precision in target.precisions} <= set(PARITY_LIMITS)
    assert set(PRESETS) == set(MEMORY_LIMITS)


def test_every_limit_says_why_it_stands_there():
    gates = [*parity_gates("fp32", (program(),), chain()), *memory_gates(NANO, {}, chain())]
    assert all(gate.reason for gate in gates)
