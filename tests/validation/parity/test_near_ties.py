"""Where the float model cannot tell whether an object is in the frame, the opposite answer is no fault."""

from dataclasses import replace

import numpy as np
import pytest

from tinysam2.core.contract import MASK_DECODER, MEMORY_ENCODER, NEXT, QUALITY_LEVELS
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.validation.parity.check import (
    HALF_WAY,
    SCORE_NEAR_TIE,
    ChainParity,
    ClipParity,
    ParityCheck,
    ProgramParity,
)
from tinysam2.validation.parity.gates import parity_gates

GONE = -1024.0
QUALITY, AGE = f"{NEXT}slot_quality", f"{NEXT}slot_age"


class Answering(Backend):
    """The float model, but for a score of the object being in the frame and what follows from it."""

    target, runtime = "answering", "a test"

    def __init__(self, backend: Backend, score: float) -> None:
        super().__init__(backend.config)
        self.backend, self.score = backend, score

    def execute(self, program, inputs):
        outputs = self.backend.execute(program, inputs)
        return scored(outputs, self.score) if program == MASK_DECODER else outputs


def scored(outputs: dict, score: float) -> dict:
    """An answer with another score; without an object there is no mask, and another pointer."""
    given = {**outputs, "object_score": np.full_like(outputs["object_score"], score)}
    if score > 0:
        return given
    empty = np.full_like(outputs["mask_logits"], GONE)
    return {**given, "mask_logits": empty, "object_pointer": np.zeros_like(outputs["object_pointer"])}


@pytest.fixture
def compared(nano_backend, followed, scene):
    """What is found of the mask decoder, where the float model's score is one and a runtime's another."""

    def compare(expected: float, found: float) -> ProgramParity:
        [call, *_] = (call for call in followed[-1].calls if call.program == MASK_DECODER)
        check = ParityCheck(Answering(nano_backend, found))
        check.begin(scene)
        check.replay(replace(call, outputs=scored(call.outputs, expected)))
        [program] = check.programs()
        return program

    return compare


@pytest.fixture
def sqnr(compared):
    """Its least SQNR by output."""
    return lambda expected, found: {tensor.name: tensor.sqnr_db for tensor in compared(expected, found).tensors}


@pytest.mark.parametrize("side", [1, -1])
def test_masks_and_pointers_of_a_near_tie_frame_are_not_compared(sqnr, side):
    measured = sqnr(side * 0.5 * SCORE_NEAR_TIE, -side * 0.1 * SCORE_NEAR_TIE)
    assert measured["mask_logits"] == measured["object_pointer"] == measured["iou"] == 200
    assert measured["object_score"] == pytest.approx(-20 * np.log10(0.6 * SCORE_NEAR_TIE), abs=0.01)


def test_a_frame_left_out_is_counted_and_told(compared):
    program = compared(0.5 * SCORE_NEAR_TIE, -0.1 * SCORE_NEAR_TIE)
    assert program.near_ties == 1
    verdict, *_ = parity_gates("fp32", (program,), ChainParity((ClipParity("koi", (1.0,)),), 1, 1))
    assert "in 1 of 1 calls" in verdict.found
    assert compared(0.5 * SCORE_NEAR_TIE, 0.1 * SCORE_NEAR_TIE).near_ties == 0


@pytest.mark.parametrize("side", [1, -1])
def test_the_opposite_of_a_decided_answer_is_a_fault(sqnr, side):
    measured = sqnr(side * 1.5 * SCORE_NEAR_TIE, -side * 1e-4)
    assert measured["mask_logits"] < 10
    assert measured["object_pointer"] < 10


def test_a_near_tie_frame_is_compared_where_both_answer_alike(sqnr):
    assert sqnr(0.5 * SCORE_NEAR_TIE, 0.4 * SCORE_NEAR_TIE)["mask_logits"] == 200
    measured = sqnr(0.5 * SCORE_NEAR_TIE, 5.0)
    assert measured["object_score"] < 0


@pytest.mark.parametrize(("score", "iou"), [(0.5 * SCORE_NEAR_TIE, 1.0), (1.5 * SCORE_NEAR_TIE, 0.0)])
def test_a_tracked_mask_counts_unless_the_float_model_was_near_a_tie(nano_backend, followed, scene, score, iou):
    check = ParityCheck(Answering(nano_backend, -1e-4))
    check.begin(scene)
    frame = followed[0]
    expected = TrackedFrame(
        {i: replace(tracked, object_score=score) for i, tracked in frame.tracked.objects.items()},
        frame.tracked.width,
        frame.tracked.height,
    )
    assert all(tracked.mask.any() for tracked in expected.objects.values())
    assert check.follow(frame.picture, frame.prompts, expected)[1] == iou


@pytest.mark.parametrize(("off_half_way", "counted"), [(0.5 * HALF_WAY, None), (-0.5 * HALF_WAY, None), (0.1, 0.0)])
def test_a_quality_half_way_between_two_levels_may_be_rounded_either_way(
    nano_backend, recalling, followed, scene, off_half_way, counted
):
    [call, *_] = (call for call in followed[-1].calls if call.program == MEMORY_ENCODER)
    iou = np.full_like(call.inputs["iou"], (12.5 + off_half_way) / QUALITY_LEVELS)
    given = replace(call, inputs={**call.inputs, "iou": iou, "object_score": np.full_like(iou, 40)})
    outputs = nano_backend.run(MEMORY_ENCODER, given.inputs)
    other = np.where(outputs[AGE] == 0, outputs[QUALITY] - 1 / QUALITY_LEVELS, outputs[QUALITY]).astype(np.float32)

    check = ParityCheck(recalling({**outputs, QUALITY: other}))
    check.begin(scene)
    check.replay(replace(given, outputs=outputs))

    [program] = check.programs()
    assert program.same_levels == counted
