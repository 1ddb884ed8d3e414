"""The graph that a `.pte` hands to XNNPACK, read from its flatbuffer without loss.

The slots are those of executorch's backends/xnnpack/serialization/schema.fbs. Its own tool, flatc, prints scales to
six digits only, and no Python reader comes with it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
from flatbuffers import number_types as types
from flatbuffers.table import Table

from tinysam2.validation.integers.products import Rounding

IDENTIFIER = b"XN01"
NAMED = 2**64 - 1
"""Offset of a constant that lies in the file's named data rather than behind the graph."""

TENSOR, QUANTIZED_TENSOR = 1, 2
PER_CHANNEL, PER_TENSOR = 1, 2
DTYPES: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.float16,
    3: np.int8,
    5: np.int32,
    6: np.int8,
    7: np.int32,
    12: np.int32,
}
"""xnn_datatype -> how its elements are stored."""

NODES = {2: "fully connected", 7: "convolution", 13: "depthwise convolution", 37: "matrix product"}
UNREAD = {36: "scaled dot product attention", 39: "transposed convolution"}
INPUT, FACTOR, OUTPUT = 0, 1, 2
SLOTS = {
    "fully connected": (0, 1, 3),
    "convolution": (15, 16, 18),
    "depthwise convolution": (15, 16, 18),
    "matrix product": (0, 1, 2),
}
"""Where a node names its input, its weight or second factor, and its output."""
FULLY_CONNECTED_FLAGS = 4
TRANSPOSED_WEIGHTS = 1


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph; contents where it is constant; rounding, or scale and axis, where it is quantized."""

    shape: tuple[int, ...]
    contents: np.ndarray | None
    rounding: Rounding | None = None
    scale: np.ndarray | None = None
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Node:
    """A product: its kind in NODES, input, weight or second factor, output, and where its output is cut off."""

    kind: str
    input: Value
    factor: Value
    output: Value
    transposed: bool
    limits: tuple[float, float] | None


def read_payload(payload: bytes, named: Callable[[str], bytes]) -> Iterator[Node]:
    """The products of a payload, in its order. named: contents of the file's named data.

    Raises ValueError where it is not a payload as this version writes it, or holds a product that is not known.
    """
    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    start, size = header.flatbuffer_offset, header.flatbuffer_size
    buffer = payload[start : start + size]
    if buffer[4:8] != IDENTIFIER:
        raise ValueError(f"XNNPACK's graph is of version {buffer[4:8]!r}, not {IDENTIFIER!r}")
    graph = _Table(buffer, int.from_bytes(buffer[:4], "little"))
    constants = graph.tables(8)

    def constant(index: int) -> bytes:
        offset, length = constants[index].number(0, types.Uint64Flags), constants[index].number(1, types.Uint64Flags)
        name = constants[index].text(2)
        if name:
            return named(name)
        first = header.constant_data_offset + offset
        return payload[first : first + length]

    values = [_value(entry, constant) for entry in graph.tables(2)]
    for entry in graph.tables(1):
        kind = entry.number(0, types.Uint8Flags)
        if kind in UNREAD:
            raise ValueError(f"XNNPACK's graph has a {UNREAD[kind]}, which cannot be read")
        if kind in NODES:
            yield _node(NODES[kind], entry, dict(values))


def _node(kind: str, entry: "_Table", values: dict[int, Value]) -> Node:
    node = entry.needed(1)
    limits = entry.table(3)
    source, factor, output = (values[node.number(slot, types.Uint32Flags)] for slot in SLOTS[kind])
    flags = node.number(FULLY_CONNECTED_FLAGS, types.Uint32Flags) if kind == "fully connected" else 0
    return Node(
        kind,
        source,
        factor,
        output,
        transposed=bool(flags & TRANSPOSED_WEIGHTS),
        limits=None if limits is None else (limits.number(0, types.Float32Flags), limits.number(1, types.Float32Flags)),
    )


def _value(entry: "_Table", constant: Callable[[int], bytes]) -> tuple[int, Value]:
    """A value's number and the value."""
    quantized, tensor = None, entry.needed(1)
    if entry.number(0, types.Uint8Flags) == QUANTIZED_TENSOR:
        quantized, tensor = tensor, tensor.needed(0)
    shape, index = tuple(tensor.numbers(2)), tensor.number(3, types.Uint32Flags)
    contents = None
    if index:
        # XNNPACK reads a little past a tensor's end, so the file pads it.
        dtype = DTYPES[tensor.number(0, types.Int16Flags)]
        contents = np.frombuffer(constant(index), dtype, math.prod(shape)).reshape(shape)
    rounding = scale = None
    axis = 0
    if quantized is not None:
        how, sort = quantized.needed(2), quantized.number(1, types.Uint8Flags)
        if sort == PER_TENSOR:
            rounding = Rounding(how.number(0, types.Float32Flags), how.number(1, types.Int32Flags))
        elif sort == PER_CHANNEL:
            scale = np.frombuffer(constant(how.number(2, types.Uint32Flags)), np.float32)
            axis = how.number(1, types.Int32Flags)
    return tensor.number(6, types.Uint32Flags), Value(shape, contents, rounding, scale, axis)


class _Table:
    """A flatbuffer's table, its fields by slot; one that is left out has its default, which in this schema is 0."""

    def __init__(self, buffer: bytes, position: int) -> None:
        self._table = Table(buffer, position)

    def number(self, slot: int, kind: type) -> Any:
        """An int or a float, as its kind says."""
        place = self._place(slot)
        return self._table.Get(kind, place + self._table.Pos) if place else 0

    def numbers(self, slot: int) -> list[int]:
        """A vector of uint32."""
        place = self._place(slot)
        return self._table.GetVectorAsNumpy(types.Uint32Flags, place).tolist() if place else []

    def table(self, slot: int) -> "_Table | None":
        """Also of a union, whose type stands in the slot before."""
        place = self._place(slot)
        return _Table(self._table.Bytes, self._table.Indirect(place + self._table.Pos)) if place else None

    def needed(self, slot: int) -> "_Table":
        """As `table`. Raises ValueError where it is left out."""
        found = self.table(slot)
        if found is None:
            raise ValueError(f"XNNPACK's graph has a table without its field {slot}")
        return found

    def tables(self, slot: int) -> list["_Table"]:
        place = self._place(slot)
        if not place:
            return []
        start, count = self._table.Vector(place), self._table.VectorLen(place)
        return [_Table(self._table.Bytes, self._table.Indirect(start + 4 * number)) for number in range(count)]

    def text(self, slot: int) -> str:
        place = self._place(slot)
        return self._table.String(place + self._table.Pos).decode() if place else ""

    def _place(self, slot: int) -> int:
        # A vtable's first two entries, of two bytes each, are sizes.
        return self._table.Offset(4 + 2 * slot)
