"""Gates: what an artifact must reach to be shipped, each limit with the measurement that set it."""

from collections.abc import Iterator
from dataclasses import dataclass

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER, MEMORY_ENCODER
from tinysam2.mobile_runtime.memory.accounting import ModelMemory
from tinysam2.validation.memory.budget import Budget, read_budget
from tinysam2.validation.memory.measured import FRAMES, MeasuredMemory
from tinysam2.validation.parity.parity import UNDECIDED, ChainParity, ClipParity, ProgramParity
from tinysam2.validation.parity.ties import TIED

MIB = 2**20


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
        reason="kernels only reorder fp32 sums: over 37 clips 116.2 dB and more measured, all tokens, slots and levels "
        "and every mask the same; a wrong constant or a missing operation lies below 60 dB, and slots are chosen by "
        "whole numbers",
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
        reason="fp16 keeps 11 bits: over 37 clips 47.7 dB and more measured, and 42 dB is twice that error; all tokens "
        "(83 % of seeded weights', where near ties fall the other way; chance is 16 %), all slots (a quality within "
        "rounding of the threshold may fall the other way), all levels (one half-way between two is not counted; "
        "rounding down would be 50 %), mean IoU 0.9974 and more, least 0.9773, 0.14 points of J&F lost",
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
        reason="held to the quantized model itself: int8 layers given the same integers give the same; in other "
        "runtimes GELU, norms and softmax are another 1e-7 off, which now and then turns a value between two integers, "
        "and layers and frames behind make more of it, most in the deep image encoder: over 37 clips 22.5 dB there and "
        "34.0 dB elsewhere, all tokens, slots and levels, a clip's mean IoU 0.9545 and more, a frame's 0.8191; limits "
        "are twice these errors. 0.3 points of J&F lost; 4 leave room for longer clips",
    ),
}


GROWTH_NOISE_MIB = 0.25
"""Growth of a process over 300 frames that is not told from none: ten times the most that was read, 0.02 MiB, in
22 runs of four runtimes whose memory does not grow. A leak of 2 KiB a frame is beyond it."""


@dataclass(frozen=True)
class Gate:
    """One verdict: a measure of a subject, the limit it is held to, and why the limit stands there.

    found: in words, what makes up the value; empty where the measure says it all.
    """

    subject: str
    measure: str
    value: float
    limit: float
    at_least: bool
    reason: str
    found: str = ""

    @property
    def passed(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


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
        yield Gate(
            program.program, "SQNR dB", program.sqnr_db, least_db, True, limits.reason, _undecided_calls(program)
        )
        for measure in ("same_tokens", "same_slots", "same_levels"):
            value = getattr(program, measure)
            if value is not None:
                yield Gate(
                    program.program, measure.replace("_", " "), value, getattr(limits, measure), True, limits.reason
                )
    yield Gate("clip", "mean mask IoU", chain.mean_iou, limits.mean_iou, True, limits.reason)
    yield Gate("clip", "least mask IoU", chain.min_iou, limits.min_iou, True, limits.reason, _worst_frame(chain))
    regressed = [clip for clip in chain.clips if regresses(precision, clip)]
    share = 1 - len(regressed) / len(chain.clips)
    found = "; ".join(map(_regression, regressed))
    yield Gate("clips", "share without regression", share, limits.clips, True, limits.reason, found)


def _undecided_calls(program: ProgramParity) -> str:
    if not program.undecided:
        return ""
    return (
        f"in {program.undecided} of {program.calls} calls the float model could as well have answered otherwise, and "
        f"the artifact did: the object's score within {UNDECIDED} of 0 (masks and pointers were left out), or another "
        f"candidate's predicted IoU within {TIED} of the best (that one was compared)"
    )


def _worst_frame(chain: ChainParity) -> str:
    clip = min(chain.clips, key=lambda clip: clip.min_iou)
    return f"frame {clip.iou_by_frame.index(clip.min_iou)} of {clip.clip}"


def _regression(clip: ClipParity) -> str:
    if clip.score is None or clip.float_score is None:
        return f"{clip.clip} has a mean mask IoU of {clip.mean_iou:.4f}"
    ours, floats = (100 * score["JF"] for score in (clip.score, clip.float_score))
    return f"{clip.clip} has a J&F of {ours:.2f}, {clip.points_lost:.2f} below the float model's {floats:.2f}"


def memory_gates(
    config: ModelConfig,
    memory: ModelMemory | None,
    chain: ChainParity,
    budget: Budget | None = None,
    measured: MeasuredMemory | None = None,
) -> Iterator[Gate]:
    """Verdicts on the bank's tokens, and on what the budget names (the preset's, unless another is given).

    memory: None where there is no artifact to tell it. measured: None where growth was not measured; no gate, then.
    """
    budget = budget or read_budget(None, config.name)
    yield Gate("bank", "tokens", chain.memory_tokens, config.memory_tokens, False, "the preset's token budget")
    written = f"{MEMORY_ENCODER} writes it; memory_tokens, of {chain.memory_tokens} tokens, is its largest tensor"
    yield Gate("bank", "MiB", chain.bank_bytes / MIB, budget.bank.mib, False, budget.bank.reason, written)
    if memory:
        yield from _budget_gates(memory, budget)
    if measured:
        yield from _growth_gates(measured, budget)


def _budget_gates(memory: ModelMemory, budget: Budget) -> Iterator[Gate]:
    for program, taken in memory.programs.items():
        peak, limit = taken.activations, budget.activations
        yield Gate(program, "activations MiB", peak.bytes / MIB, limit.mib, False, limit.reason, peak.sentence)
    largest, taken = max(memory.programs.items(), key=lambda item: item[1].weights.bytes)
    most = f"{largest} has the most, {taken.weights.bytes / MIB:.2f} MiB"
    yield Gate("all programs", "weights MiB", memory.weights.bytes / MIB, budget.weights.mib, False,
               budget.weights.reason, most)  # fmt: skip
    largest, taken = max(memory.programs.items(), key=lambda item: item[1].activations.bytes)
    parts = ", ".join(
        f"{name} {part.bytes / MIB:.2f}"
        for name, part in (
            ("weights", memory.weights),
            ("activations", memory.activations),
            ("features", memory.features),
            ("bank", memory.bank),
        )
    )
    found = f"{parts} MiB; {largest} has the most activations: {taken.activations.sentence}"
    yield Gate("all programs", "total MiB", memory.total.bytes / MIB, budget.total.mib, False,
               budget.total.reason, found)  # fmt: skip


def _growth_gates(measured: MeasuredMemory, budget: Budget) -> Iterator[Gate]:
    limit = budget.growth_over_300_frames
    yield Gate(
        "process",
        f"growth MiB over {FRAMES} frames",
        measured.growth / MIB,
        limit.mib + GROWTH_NOISE_MIB,
        False,
        f"{limit.reason}; {GROWTH_NOISE_MIB} MiB is what a reading may be off",
        f"resident anonymous memory in a process of {measured.frames} frames",
    )
    yield Gate("bank", "growth bytes", measured.bank_last - measured.bank_first, 0, False,
               "a bank's tensors have fixed shapes")  # fmt: skip
