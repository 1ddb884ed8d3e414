"""Memory gates: the budget that an artifact and its process are held to."""

from collections.abc import Iterator

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import MEMORY_ENCODER
from tinysam2.core.units import MIB
from tinysam2.mobile_runtime.memory.accounting import ModelMemory
from tinysam2.validation.gate import Gate
from tinysam2.validation.memory.budget import Budget, Limit, read_budget
from tinysam2.validation.memory.measured import FRAMES, MeasuredMemory
from tinysam2.validation.parity.check import ChainParity

GROWTH = "growth"
"""Begins the measure of a gate on measured growth."""

GROWTH_NOISE_MIB = 0.25
"""Growth of a process over 300 frames that cannot be told from none, ten times the noise of a reading
(docs/memory.md#how-it-is-measured)."""


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
        yield from budget_gates(memory, budget)
    if measured:
        yield from _growth_gates(measured, budget.growth_over_300_frames)


def is_of_growth(gate: Gate) -> bool:
    """Whether a gate judges what a process took, which differs from one run to the next."""
    return gate.measure.startswith(GROWTH)


def budget_gates(memory: ModelMemory, budget: Budget) -> Iterator[Gate]:
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


def _growth_gates(measured: MeasuredMemory, limit: Limit) -> Iterator[Gate]:
    yield Gate(
        "process",
        f"{GROWTH} MiB over {FRAMES} frames",
        measured.growth / MIB,
        limit.mib + GROWTH_NOISE_MIB,
        False,
        f"{limit.reason}; {GROWTH_NOISE_MIB} MiB is what a reading may be off",
        f"resident anonymous memory in a process of {measured.frames} frames",
    )
    yield Gate("bank", f"{GROWTH} bytes", measured.bank_last - measured.bank_first, 0, False,
               "a bank's tensors have fixed shapes")  # fmt: skip
