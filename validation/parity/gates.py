"""Parity gates: how near an artifact must come to the float model, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.validation.gate import Gate
from tinysam2.validation.parity.check import SCORE_NEAR_TIE, ChainParity, ClipParity, ProgramParity
from tinysam2.validation.parity.ties import TIED

RAW_IOU = 0.99
"""Of the masks of one artifact, its outputs passed on by their strides and as raw memory."""

RAW_REASON = "an app hands each output's memory to the next program as it lies; read by its strides it must be the same"

FIGURES = "figures and commands: docs/validation.md#limits"


@dataclass(frozen=True)
class ParityLimits:
    """What one precision must reach, and why.

    sqnr_db: the least of every output in any call; encoder_sqnr_db: of the image encoder's. same_tokens: mean share of
    the tokens chosen from a frame that the float model chose too. same_slots: share of calls that leave the ages of
    slots and pointers as the float model. same_levels: share of the qualities written that are the float model's.
    mean_iou, min_iou: mask IoU, the mean over clips and the least of any frame. points_lost: by how much a clip's J&F
    may lie below the float model's, of 100. clips: share of the clips that must not have regressed (`regresses`).
    """

    encoder_sqnr_db: float
    sqnr_db: float
    same_tokens: float
    same_slots: float
    same_levels: float
    mean_iou: float
    min_iou: float
    points_lost: float
    clips: float
    reason: str


PARITY_LIMITS = {
    "fp32": ParityLimits(
        encoder_sqnr_db=100.0,
        sqnr_db=100.0,
        same_tokens=0.99,
        same_slots=1.0,
        same_levels=0.99,
        mean_iou=0.999,
        min_iou=0.99,
        points_lost=0.1,
        clips=1.0,
        reason="kernels only reorder fp32 sums, and a wrong constant or a missing operation "
        f"costs far more. Slots are chosen by whole numbers; {FIGURES}",
    ),
    "fp16": ParityLimits(
        encoder_sqnr_db=42.0,
        sqnr_db=42.0,
        same_tokens=0.7,
        same_slots=0.97,
        same_levels=0.75,
        mean_iou=0.99,
        min_iou=0.95,
        points_lost=0.5,
        clips=1.0,
        reason="fp16 keeps 11 bits: limits are twice the error of unmodified artifacts, and leave room for near ties "
        f"that rounding decides the other way; {FIGURES}",
    ),
    "int8": ParityLimits(
        encoder_sqnr_db=16.5,
        sqnr_db=28.0,
        same_tokens=0.95,
        same_slots=1.0,
        same_levels=0.95,
        mean_iou=0.91,
        min_iou=0.64,
        points_lost=4.0,
        clips=1.0,
        reason="compared with the quantized model: int8 layers given the same integers give the same; GELU, norms and "
        "softmax differ in other runtimes and flip a rounding by one LSB, which grows through the layers and frames "
        f"behind. Limits are twice the error of unmodified artifacts; {FIGURES}",
    ),
}


def regresses(precision: str, clip: ClipParity) -> bool:
    """Whether an artifact is worse on a clip than the float model: its J&F by more than the limit, or, where the truth
    is not known, its mean mask IoU with the float model's masks below the limit."""
    limits = PARITY_LIMITS[precision]
    if clip.points_lost is None:
        return clip.mean_iou < limits.mean_iou
    return clip.points_lost > limits.points_lost


def parity_gates(precision: str, programs: tuple[ProgramParity, ...], chain: ChainParity) -> Iterator[Gate]:
    """Verdicts on each program's outputs and on the clips."""
    limits = PARITY_LIMITS[precision]
    for program in programs:
        least_db = limits.encoder_sqnr_db if program.program == IMAGE_ENCODER else limits.sqnr_db
        yield Gate(program.program, "SQNR dB", program.sqnr_db, least_db, True, limits.reason, _near_tie_calls(program))
        for measure in ("same_tokens", "same_slots", "same_levels"):
            value = getattr(program, measure)
            if value is not None:
                yield Gate(
                    program.program, measure.replace("_", " "), value, getattr(limits, measure), True, limits.reason
                )
    yield Gate("clip", "mean mask IoU", chain.mean_iou, limits.mean_iou, True, limits.reason)
    yield Gate("clip", "least mask IoU", chain.min_iou, limits.min_iou, True, limits.reason, _worst_frame(chain))
    if chain.raw_iou is not None:
        yield Gate("clip", "least mask IoU on raw memory", chain.raw_iou, RAW_IOU, True, RAW_REASON)
    regressed = [clip for clip in chain.clips if regresses(precision, clip)]
    share = 1 - len(regressed) / len(chain.clips)
    found = "; ".join(map(_regression, regressed))
    yield Gate("clips", "share without regression", share, limits.clips, True, limits.reason, found)


def _near_tie_calls(program: ProgramParity) -> str:
    if not program.near_ties:
        return ""
    return (
        f"in {program.near_ties} of {program.calls} calls the float model could as well have answered otherwise, and "
        f"the artifact did: the object's score within {SCORE_NEAR_TIE} of 0 (masks and pointers were left out), or "
        f"another candidate's predicted IoU within {TIED} of the best (that one was compared)"
    )


def _worst_frame(chain: ChainParity) -> str:
    clip = min(chain.clips, key=lambda clip: clip.min_iou)
    return f"frame {clip.iou_by_frame.index(clip.min_iou)} of {clip.clip}"


def _regression(clip: ClipParity) -> str:
    if clip.score is None or clip.float_score is None:
        return f"{clip.clip} has a mean mask IoU of {clip.mean_iou:.4f}"
    ours, floats = (100 * score["JF"] for score in (clip.score, clip.float_score))
    return f"{clip.clip} has a J&F of {ours:.2f}, {clip.points_lost:.2f} below the float model's {floats:.2f}"
