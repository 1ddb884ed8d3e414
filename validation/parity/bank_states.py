"""The states that a memory bank can be in when a frame is remembered: which a call met, and calls for the others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tinysam2.core.config import BankConfig
from tinysam2.core.contract import MEMORY_ENCODER, NEXT, bank_spec
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.validation.parity.recording import Call

OCCLUDED, PROMPTED_AGAIN, TWO_OBJECTS = "occluded", "prompted again", "two objects"

BANK_STATES: Mapping[str, str] = {
    "empty": "nothing is remembered yet",
    "filling": "a recent slot is empty",
    "full": "every recent slot holds a frame",
    "evicting": "full, and a frame gives way to this one",
    OCCLUDED: "the frame's quality is below the threshold, and it is not written",
    PROMPTED_AGAIN: "the frame is prompted and takes the conditioning slot of an earlier one",
    TWO_OBJECTS: "another object is remembered on the same frame",
}
"""State -> when a call of the memory encoder is in it. One is in several at once."""

CHANGES: Mapping[str, Mapping[str, float]] = {
    OCCLUDED: {"iou": 0.0, "object_score": -10.0, "is_prompted": 0.0},
    PROMPTED_AGAIN: {"is_prompted": 1.0},
}
"""State -> the inputs that put any call on a bank in use into it."""


@dataclass(frozen=True)
class StateCalls:
    """Calls of the memory encoder in one state: how many a clip brought, and how many were made for it."""

    calls: int = 0
    made: int = 0

    def __add__(self, other: "StateCalls") -> "StateCalls":
        return StateCalls(self.calls + other.calls, self.made + other.made)

    @property
    def met(self) -> bool:
        return self.calls + self.made > 0


def possible_states(bank: BankConfig) -> tuple[str, ...]:
    """The names in `BANK_STATES` that a model's bank can be in."""
    leaves_out = bank.quality_management and bank.quality_threshold > 0
    return tuple(name for name in BANK_STATES if name != OCCLUDED or leaves_out)


def states_of(call: Call, objects: int = 1) -> tuple[str, ...]:
    """The states that a call of the memory encoder met. objects: that were remembered on the frame."""
    before, after = call.inputs["slot_age"][0], call.outputs[f"{NEXT}slot_age"][0]
    prompted = call.inputs["is_prompted"].item() == 1
    full = bool((before[1:] >= 0).all())
    holds = {
        "empty": bool((before < 0).all()),
        "filling": bool((before >= 0).any()) and not full,
        "full": full,
        "evicting": full and bool((after[1:] == 0).any()),
        OCCLUDED: not prompted and not (after == 0).any(),
        PROMPTED_AGAIN: prompted and before[0] >= 0,
        TWO_OBJECTS: objects > 1,
    }
    return tuple(name for name, held in holds.items() if held)


def synthetic_call(state: str, call: Call, reference: Backend) -> Call:
    """A call in one of the states of `CHANGES`: the next on the bank that a recorded call left, its frame again but for
    what the state needs. reference: the float model, which answers it."""
    bank = {spec.name: call.outputs[NEXT + spec.name] for spec in bank_spec(reference.config)}
    changed = {name: np.full_like(call.inputs[name], value) for name, value in CHANGES[state].items()}
    inputs = {**call.inputs, **bank, **changed}
    return replace(call, inputs=inputs, outputs=reference.run(MEMORY_ENCODER, inputs))


def count_states(states: Mapping[str, StateCalls], met: tuple[str, ...], made: bool = False) -> dict[str, StateCalls]:
    """The counts with one more call in each of the states that it met."""
    one = StateCalls(made=1) if made else StateCalls(calls=1)
    return {name: count + one if name in met else count for name, count in states.items()}
