"""The memory that a model takes, in bytes, each figure with how it is known."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER, TensorSpec, bank_spec, program_contract
from tinysam2.core.units import KIB
from tinysam2.mobile_runtime.memory.liveness import BEFORE, Lifetime, fullest_moment

Known = Literal["stored", "planned", "estimated"]
"""stored: lies in the artifact. planned: fixed before anything runs, by the artifact or by the program contract.
estimated: from when tensors live. What was `measured` in a process is told apart from these, in `validation`."""

PEAK_TENSORS = 5
"""Tensors that are named at a peak; the rest are small."""

FIRST_OPERATION = "its first operation"
"""What a program computes when its inputs alone are its peak."""


@dataclass(frozen=True)
class Amount:
    """Bytes, and how they are known."""

    bytes: int
    known: Known


@dataclass(frozen=True)
class TensorBytes:
    """A tensor and its bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Peak(Amount):
    """The most that a program's activations take within a call, its inputs and outputs among them.

    operation: what is computed then, in the artifact's own words. tensors: the largest alive then, largest first.
    """

    operation: str
    tensors: tuple[TensorBytes, ...]

    @property
    def sentence(self) -> str:
        """What is alive at the peak, in words."""
        names = ", ".join(f"{tensor.name} ({tensor.bytes / KIB:,.1f} KiB)" for tensor in self.tensors)
        return f"at its peak, in {self.operation}, these are alive: {names}"


@dataclass(frozen=True)
class ProgramMemory:
    """One program: the weights that it reads (what programs share counts in each), its activations, and the tensors
    at its border."""

    weights: Amount
    activations: Peak
    inputs: Amount
    outputs: Amount


@dataclass(frozen=True)
class ModelMemory:
    """A whole model on one runtime, apart from what the runtime itself needs.

    weights: of all programs, what they share once. activations: of all programs where each keeps its memory between
    calls, else of the one that takes most. bank: an object's. features: the image encoder's outputs, which are kept
    until the frame's last object is done.
    """

    programs: Mapping[str, ProgramMemory]
    weights: Amount
    activations: Amount
    bank: Amount
    features: Amount

    @property
    def total(self) -> Amount:
        """Weights, activations, features and the bank of one object."""
        parts = (self.weights, self.activations, self.bank, self.features)
        return Amount(sum(part.bytes for part in parts), self.activations.known)


def peak(lifetimes: Iterable[Lifetime], operations: Sequence[str], planned: int | None = None) -> Peak:
    """The fullest moment of a program's tensors. operations: their names, by step. planned: the bytes that the
    artifact sets aside, where it does; without it they are estimated by what is alive."""
    moment = fullest_moment(lifetimes)
    # An output lives on to the step after the last operation.
    step = min(moment.step, len(operations) - 1)
    return Peak(
        bytes=moment.bytes if planned is None else planned,
        known="estimated" if planned is None else "planned",
        operation=FIRST_OPERATION if step == BEFORE else operations[step],
        tensors=tuple(TensorBytes(name, size) for name, size in moment.tensors[:PEAK_TENSORS]),
    )


def account(
    config: ModelConfig, item_bytes: int, weights: int, programs: Mapping[str, tuple[int, Peak]], arenas_stay: bool
) -> ModelMemory:
    """A model's memory from what its artifact tells.

    item_bytes: of a value at the programs' borders. weights: of all programs, what they share once. programs: by
    name, weights and activations. arenas_stay: whether a program's activations keep their memory between its calls.
    """
    contract = program_contract(config)

    def planned(tensors: Iterable[TensorSpec]) -> Amount:
        return Amount(item_bytes * sum(math.prod(tensor.shape) for tensor in tensors), "planned")

    activations = [activations for _, activations in programs.values()]
    together = sum if arenas_stay else max
    return ModelMemory(
        programs={
            name: ProgramMemory(
                Amount(stored, "stored"), activation, planned(contract[name].inputs), planned(contract[name].outputs)
            )
            for name, (stored, activation) in programs.items()
        },
        weights=Amount(weights, "stored"),
        activations=Amount(together(one.bytes for one in activations), activations[0].known),
        bank=planned(bank_spec(config)),
        features=planned(contract[IMAGE_ENCODER].outputs),
    )
