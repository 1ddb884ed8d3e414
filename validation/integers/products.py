"""Convolutions and matrix products as an artifact's file holds them: weights, rounding and multiply-accumulates."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rounding:
    """How a file rounds an activation to int8."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class StoredWeight:
    """A layer's weight in the checkpoint's layout: [O, I] or [O, I / groups, height, width].

    values: int8, or float where the file keeps it so. scale, zero_point: [channels], None for float.
    axis: of values, the one that the scales run along.
    """

    values: np.ndarray
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    axis: int = 0

    @property
    def is_int8(self) -> bool:
        return self.scale is not None


@dataclass(frozen=True, eq=False)
class Product:
    """One convolution, linear layer or matrix product.

    place: where in the file it stands. macs: multiply-accumulates. weight: None where both factors are computed.
    input_qparams, output_qparams: None where an activation is float. fused: what the kernel does besides before it
    rounds its output.
    """

    program: str
    place: str
    macs: int
    weight: StoredWeight | None
    input_qparams: Rounding | None
    output_qparams: Rounding | None
    fused: str = ""

    @property
    def is_int8(self) -> bool:
        """Whether all of its numbers are int8: then it runs as an int8 kernel."""
        weight = self.weight is None or self.weight.is_int8
        return weight and self.input_qparams is not None and self.output_qparams is not None


@dataclass(frozen=True)
class StandaloneRounding:
    """A place in a program that rounds an activation to int8 although no layer takes it so."""

    program: str
    place: str


@dataclass(frozen=True, eq=False)
class Contents:
    """What is read of a file."""

    products: Sequence[Product]
    standalone_roundings: Sequence[StandaloneRounding] = ()


@dataclass(frozen=True)
class AxisOrder:
    """How a file orders a weight's axes: `order` brings them to the checkpoint's."""

    order: tuple[int, ...]

    def weight(
        self,
        values: np.ndarray,
        scale: np.ndarray | None = None,
        zero_point: np.ndarray | None = None,
        axis: int = 0,
    ) -> StoredWeight:
        """A weight from the file's order and the file's axis of scales."""
        across = 0 if scale is None else self.order.index(axis)
        return StoredWeight(values.transpose(self.order), scale, zero_point, across)


AS_STORED, AS_STORED_4D = AxisOrder((0, 1)), AxisOrder((0, 1, 2, 3))
INPUT_FIRST = AxisOrder((1, 0))
OHWI, ONE_HWO = AxisOrder((0, 3, 1, 2)), AxisOrder((3, 0, 1, 2))
"""The last: depthwise, [1, height, width, O]."""


@dataclass(frozen=True)
class Share:
    """Of a program's multiply-accumulates, those that int8 kernels do."""

    int8: int
    total: int

    @property
    def value(self) -> float:
        return self.int8 / self.total if self.total else math.nan


def int8_shares(products: Iterable[Product]) -> Mapping[str, Share]:
    """Share of int8 by program."""
    counts: dict[str, tuple[int, int]] = {}
    for product in products:
        int8, total = counts.get(product.program, (0, 0))
        counts[product.program] = (int8 + product.is_int8 * product.macs, total + product.macs)
    return {program: Share(*both) for program, both in counts.items()}
