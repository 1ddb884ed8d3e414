"""Gates: what an artifact must reach to be shipped, each limit with the measurement that set it."""

from collections.abc import Iterator
from dataclasses import dataclass

from mobile_runtime.backend import ProgramMemory
from models.config import ModelConfig
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
        reason="fp16 keeps 11 bits: 48 dB and more measured, 85 % of tokens and more (near ties fall the other "
        "way; chance is 16 %), IoU 0.998 and more; 40 dB is an error of 1 %",
    ),
}


@dataclass(frozen=True)
class MemoryLimits:
    """Most MiB that a preset may take: an object's bank, and the activations of any one program."""

    bank_mib: float
    activations_mib: float
    reason: str


MEMORY_LIMITS = {
    "tinysam2": MemoryLimits(0.53, 120.0, "fp32 bank of 1984 tokens, 527.6 KiB; memory attention plans 108.5 MiB"),
    "tinysam2-512": MemoryLimits(0.15, 20.0, "fp32 bank of 496 tokens, 144.0 KiB; the image encoder takes 18 MiB"),
    "nano": MemoryLimits(0.025, 3.0, "fp32 bank of 124 tokens, 24.6 KiB; the image encoder takes 2.25 MiB"),
}


@dataclass(frozen=True)
class Gate:
    """One verdict: a measure of a subject, the limit it is held to, and why the limit stands there."""

    subject: str
    measure: str
    value: float
    limit: float
    at_least: bool
    reason: str

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


def memory_gates(config: ModelConfig, memory: dict[str, ProgramMemory], chain: ChainParity) -> Iterator[Gate]:
    """Verdicts on the bank's tokens and bytes, and on each program's activations."""
    limits = MEMORY_LIMITS[config.name]
    yield Gate("bank", "tokens", chain.memory_tokens, config.memory_tokens, False, "the preset's token budget")
    yield Gate("bank", "MiB", chain.bank_bytes / MIB, limits.bank_mib, False, limits.reason)
    for program, bytes_ in memory.items():
        yield Gate(program, "activations MiB", bytes_.activations / MIB, limits.activations_mib, False, limits.reason)
