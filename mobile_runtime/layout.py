"""How a program's tensors lie in memory: dimension order and strides at the border, and a tensor's raw memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinysam2.core.contract import ProgramSpec, TensorSpec


@dataclass(frozen=True)
class TensorLayout:
    """How one input or output lies in memory.

    dim_order: its axes from the one with the largest stride to the one with the smallest.
    """

    name: str
    shape: tuple[int, ...]
    dim_order: tuple[int, ...]

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements from one index of an axis to the next, by axis."""
        inner = {axis: self.dim_order[place + 1 :] for place, axis in enumerate(self.dim_order)}
        return tuple(math.prod(self.shape[axis] for axis in inner[place]) for place in range(len(self.shape)))

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie in the order of the axes; an axis of one element may stand anywhere."""
        longer = [axis for axis in self.dim_order if self.shape[axis] > 1]
        return longer == sorted(longer)


@dataclass(frozen=True)
class ProgramLayout:
    """The inputs and outputs of one program, in the contract's order."""

    inputs: tuple[TensorLayout, ...]
    outputs: tuple[TensorLayout, ...]

    @property
    def tensors(self) -> tuple[TensorLayout, ...]:
        return (*self.inputs, *self.outputs)


Layouts = Mapping[str, ProgramLayout]
"""Program -> how its tensors lie in memory."""


def contiguous_layouts(contract: Mapping[str, ProgramSpec]) -> Layouts:
    """The layouts of a format that has no strides, so that every tensor is contiguous by its form."""

    def layouts(specs: tuple[TensorSpec, ...]) -> tuple[TensorLayout, ...]:
        return tuple(TensorLayout(spec.name, spec.shape, tuple(range(len(spec.shape)))) for spec in specs)

    return {name: ProgramLayout(layouts(spec.inputs), layouts(spec.outputs)) for name, spec in contract.items()}


def raw_memory(value: np.ndarray) -> np.ndarray:
    """An array's memory read as if it were contiguous, as an app reads it that passes a pointer on.

    value: without gaps, its axes in any order of memory. The same array where it is contiguous.
    """
    return value.ravel(order="K").reshape(value.shape)
