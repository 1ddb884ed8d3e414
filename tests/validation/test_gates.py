"""Each gate passes at its limit and fails just beyond it, and no other gate with it."""

from dataclasses import replace

import pytest

from tinysam2.core.config import preset
from tinysam2.core.contract import IMAGE_ENCODER, MEMORY_ENCODER, program_contract
from tinysam2.core.targets import TARGETS
from tinysam2.core.units import MIB
from tinysam2.mobile_runtime.memory.accounting import ModelMemory, Peak, TensorBytes, account
from tinysam2.validation.gate import Gate
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS, Limit
from tinysam2.validation.memory.gates import GROWTH_NOISE_MIB, memory_gates
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.parity.check import ChainParity, ClipParity, ProgramParity, TensorParity
from tinysam2.validation.parity.gates import PARITY_LIMITS, parity_gates, regresses

NANO = preset("nano")
BUDGET = DEFAULT_BUDGETS["nano"]
FP32 = PARITY_LIMITS["fp32"]
every_precision = pytest.mark.parametrize("precision", PARITY_LIMITS)


def program(name: str = "mask_decoder", sqnr_db: float = 200.0, **shares: float) -> ProgramParity:
    good, measured = TensorParity("iou", 200.0, 1.0, 0.0), TensorParity("mask_logits", sqnr_db, 1.0, 0.0)
    return ProgramParity(name, 3, (good, measured), **{"same_tokens": None, **shares})


def chain(mean_iou: float = 1.0, min_iou: float = 1.0, tokens: int = 124, bank_bytes: int = 25_000) -> ChainParity:
    """A clip of 1000 frames of which one has the least IoU and the others make up the mean."""
    others = (1000 * mean_iou - min_iou) / 999
    return ChainParity((ClipParity("koi", (min_iou, *[others] * 999)),), tokens, bank_bytes)


def clip(name: str, points_lost: float, iou: float = 1.0) -> ClipParity:
    """A clip whose truth is known: the float model's J&F is 0.8."""
    ours, floats = ({"J": jf, "F": jf, "JF": jf} for jf in (0.8 - points_lost / 100, 0.8))
    return ClipParity(name, (iou,), {}, ours, floats)


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
        program(
            MEMORY_ENCODER,
            limits.sqnr_db,
            same_tokens=limits.same_tokens,
            same_slots=limits.same_slots,
            same_levels=limits.same_levels,
        ),
    )
    gates = parity_gates(precision, measured, chain(limits.mean_iou + 1e-9, limits.min_iou))
    assert failed(gates) == []


@every_precision
def test_one_output_below_the_limit_fails_its_program(precision):
    below = PARITY_LIMITS[precision].sqnr_db - 0.01
    measured = (program("image_encoder"), program("mask_decoder", sqnr_db=below))
    assert failed(parity_gates(precision, measured, chain())) == [("mask_decoder", "SQNR dB")]


@every_precision
def test_the_image_encoder_has_a_limit_of_its_own(precision):
    limit = PARITY_LIMITS[precision].encoder_sqnr_db
    for value, wanted in ((limit, []), (limit - 0.01, [("image_encoder", "SQNR dB")])):
        assert failed(parity_gates(precision, (program("image_encoder", sqnr_db=value),), chain())) == wanted


@every_precision
@pytest.mark.parametrize("share", ["same_tokens", "same_slots", "same_levels"])
def test_other_choices_fail_the_memory_encoder(precision, share):
    measured = (program(MEMORY_ENCODER, **{share: getattr(PARITY_LIMITS[precision], share) - 0.001}),)
    assert failed(parity_gates(precision, measured, chain())) == [("memory_encoder", share.replace("_", " "))]


@every_precision
def test_other_masks_on_the_whole_fail_the_mean(precision):
    limits = PARITY_LIMITS[precision]
    low = chain(limits.mean_iou - 1e-4, limits.min_iou)
    failures = failed(parity_gates(precision, (program(),), low))
    assert failures == [("clip", "mean mask IoU"), ("clips", "share without regression")]


@every_precision
def test_one_frame_with_another_mask_fails_the_least(precision):
    limits = PARITY_LIMITS[precision]
    low = chain(limits.mean_iou + 1e-4, limits.min_iou - 0.001)
    [gate] = [gate for gate in parity_gates(precision, (program(),), low) if not gate.passed]
    assert (gate.subject, gate.measure, gate.found) == ("clip", "least mask IoU", "frame 0 of koi")


@every_precision
def test_a_clip_whose_jf_falls_further_than_the_limit_has_regressed(precision):
    limit = PARITY_LIMITS[precision].points_lost
    assert not regresses(precision, clip("koi", limit - 0.001))
    assert not regresses(precision, clip("koi", -30))
    assert regresses(precision, clip("koi", limit + 0.001))


@every_precision
def test_where_the_truth_is_known_masks_may_differ_as_long_as_they_are_as_good(precision):
    assert not regresses(precision, clip("koi", 0, iou=0.5))


@every_precision
def test_a_mean_does_not_hide_a_clip_that_regressed_and_the_gate_names_it(precision):
    clips = [clip(f"clip-{index}", -5) for index in range(9)]
    parity = ChainParity((*clips, clip("heron", 7.25), ClipParity("newt", (0.5,))), 124, 25_000)
    gate = [*parity_gates(precision, (program(),), parity)][-1]
    assert not gate.passed
    assert gate.value == pytest.approx(9 / 11)
    assert gate.found == (
        "heron has a J&F of 72.75, 7.25 below the float model's 80.00; newt has a mean mask IoU of 0.5000"
    )


def test_choices_are_asked_of_the_memory_encoder_only():
    memory_encoder = program(MEMORY_ENCODER, same_tokens=1.0, same_slots=1.0, same_levels=1.0)
    gates = [*parity_gates("fp32", (program(), memory_encoder), chain())]
    assert [gate.measure for gate in gates if gate.subject == "mask_decoder"] == ["SQNR dB"]
    asked = [gate.measure for gate in gates if gate.subject == MEMORY_ENCODER]
    assert asked == ["SQNR dB", "same tokens", "same slots", "same levels"]


def test_the_bank_may_take_its_budget_and_no_more():
    most = int(BUDGET.bank.mib * MIB)
    assert failed(memory_gates(NANO, None, chain(tokens=124, bank_bytes=most))) == []
    assert failed(memory_gates(NANO, None, chain(tokens=125, bank_bytes=most))) == [("bank", "tokens")]
    assert failed(memory_gates(NANO, None, chain(tokens=124, bank_bytes=most + 1))) == [("bank", "MiB")]


def memory(activations: int = 1, weights: int = 1) -> ModelMemory:
    """The image encoder takes these; the others next to nothing."""
    wide, small = (Peak(size, "planned", "conv_7", (TensorBytes("wide_4", size),)) for size in (activations, 1))
    programs = dict.fromkeys(program_contract(NANO), (1, small)) | {IMAGE_ENCODER: (weights, wide)}
    return account(NANO, 4, weights, programs, arenas_stay=False)


def test_the_activations_of_each_program_are_held_to_the_budget():
    most = int(BUDGET.activations.mib * MIB)
    assert failed(memory_gates(NANO, memory(activations=most), chain())) == []
    assert failed(memory_gates(NANO, memory(activations=most + 1), chain())) == [("image_encoder", "activations MiB")]


def test_the_weights_of_all_programs_are_held_to_the_budget():
    most = int(BUDGET.weights.mib * MIB)
    assert failed(memory_gates(NANO, memory(weights=most), chain())) == []
    assert failed(memory_gates(NANO, memory(weights=most + 1), chain())) == [("all programs", "weights MiB")]


def test_the_total_is_held_to_the_budget():
    taken = memory().total.bytes
    for allowed, failures in ((taken, []), (taken - 1, [("all programs", "total MiB")])):
        budget = replace(BUDGET, total=Limit(allowed / MIB, "why"))
        assert failed(memory_gates(NANO, memory(), chain(), budget)) == failures


@pytest.mark.parametrize("limit", ["activations", "total"])
def test_what_exceeds_the_budget_is_told_with_its_program_operation_and_tensor(limit):
    budget = replace(BUDGET, **{limit: Limit(0, "why")})
    gates = [gate for gate in memory_gates(NANO, memory(activations=2048), chain(), budget) if not gate.passed]
    told = f"{gates[0].subject} {gates[0].found}"
    assert all(word in told for word in ("image_encoder", "conv_7", "wide_4 (2.0 KiB)"))


def measured(growth: float = 0, bank_growth: int = 0) -> MeasuredMemory:
    return MeasuredMemory(300, 0, 0, 0, 0, round(growth * MIB), 25_176, 25_176 + bank_growth)


@pytest.mark.parametrize("allowed", [0, 2])
def test_a_process_may_grow_by_its_limit_and_what_a_reading_may_be_off(allowed):
    budget = replace(BUDGET, growth_over_300_frames=Limit(allowed, "why"))
    most = allowed + GROWTH_NOISE_MIB
    assert failed(memory_gates(NANO, None, chain(), budget, measured(most))) == []
    assert failed(memory_gates(NANO, None, chain(), budget, measured(-1))) == []
    grown = failed(memory_gates(NANO, None, chain(), budget, measured(most + 0.01)))
    assert grown == [("process", "growth MiB over 300 frames")]


def test_a_bank_may_not_grow_by_a_byte():
    assert failed(memory_gates(NANO, None, chain(), BUDGET, measured(bank_growth=1))) == [("bank", "growth bytes")]


def test_growth_that_was_not_measured_has_no_gate():
    assert not [gate for gate in memory_gates(NANO, memory(), chain()) if "growth" in gate.measure]


def test_dense_memory_would_fail_the_budget():
    assert failed(memory_gates(NANO, None, chain(tokens=7 * 256, bank_bytes=7 * 256 * 34 * 4))) == [
        ("bank", "tokens"),
        ("bank", "MiB"),
    ]


def test_every_precision_of_every_target_has_limits():
    assert {precision for target in TARGETS.values() for precision in target.precisions} <= set(PARITY_LIMITS)


def test_every_limit_says_why_it_stands_there():
    gates = [*parity_gates("fp32", (program(),), chain()), *memory_gates(NANO, memory(), chain(), BUDGET, measured())]
    assert all(gate.reason for gate in gates)
