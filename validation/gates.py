"""Gates: what an artifact must reach to be shipped, each limit with the measurement that set it."""

from collections.abc import Iterator
from dataclasses import dataclass

from mobile_runtime.memory import ModelMemory
from models.config import ModelConfig
from models.contract import MEMORY_ENCODER
from validation.budget import Budget, read_budget
from validation.memory_measured import FRAMES, MeasuredMemory
from validation.parity import ChainParity, ProgramParity

MIB = 2**20


@dataclass(frozen=True)
class ParityLimits:
    """What one precision must reach: least SQNR of every output on every frame in dB, mean share of the tokens chosen
    from a frame that the float model chose too, mean and least mask IoU over the clip's frames; and why."""

    sqnr_db: float
    same_tokens: float
    mean_iou: float
    min_iou: float
    reason: str


PARITY_LIMITS = {
    "fp32": ParityLimits(
        sqnr_db=100.0,
        same_tokens=0.99,
        mean_iou=0.999,
        min_iou=0.99,
        reason="kernels only reorder fp32 sums: 115.2 dB and more measured, all tokens, IoU 0.9995 and more; "
        "a wrong constant or a missing operation lies below 60 dB",
    ),
    "fp16": ParityLimits(
        sqnr_db=40.0,
        same_tokens=0.7,
        mean_iou=0.99,
        min_iou=0.97,
        reason="fp16 keeps 11 bits: 48 dB and more measured, 83 % of tokens and more (near ties fall the other "
        "way; chance is 16 %), IoU 0.998 and more; 40 dB is an error of 1 %",
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


def parity_gates(precision: str, programs: tuple[ProgramParity, ...], chain: ChainParity) -> Iterator[Gate]:
    """Verdicts on each program's outputs and on the clip."""
    limits = PARITY_LIMITS[precision]
    for program in programs:
        yield Gate(program.program, "SQNR dB", program.sqnr_db, limits.sqnr_db, True, limits.reason)
        if program.same_tokens is not None:
            yield Gate(program.program, "same tokens", program.same_tokens, limits.same_tokens, True, limits.reason)
    yield Gate("clip", "mean mask IoU", chain.mean_iou, limits.mean_iou, True, limits.reason)
    yield Gate("clip", "least mask IoU", chain.min_iou, limits.min_iou, True, limits.reason)


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
