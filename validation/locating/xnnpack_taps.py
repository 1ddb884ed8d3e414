"""Makes a payload of XNNPACK give its intermediate values: in the file's own graph they become outputs.

The slots are those of executorch's backends/xnnpack/serialization/schema.fbs. Nothing is computed otherwise than in the
file, but that XNNPACK cannot fuse into an operation what must now be seen.
"""

import struct
from dataclasses import dataclass

from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
from flatbuffers import number_types as types
from flatbuffers.table import Table

VALUES, EXTERNALS = 2, 3
"""Slots of the graph's values, and of how many of them it takes or gives."""

FLOAT_TENSOR, FLOAT32 = 1, 1
EXTERNAL_OUTPUT = 2
ALIGNMENT = 16


@dataclass(frozen=True)
class Tap:
    """An intermediate value: its number among what the payload takes and gives, and its shape."""

    argument: int
    shape: tuple[int, ...]


def tapped(payload: bytes) -> tuple[bytes, list[Tap]]:
    """A copy of a payload that gives every float value it computes, and which those are, in the graph's order.

    Raises ValueError where it is no payload that this version writes.
    """
    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    start, size = header.flatbuffer_offset, header.flatbuffer_size
    graph = bytearray(payload[start : start + size])
    root = Table(graph, int.from_bytes(graph[:4], "little"))
    count = root.Pos + root.Offset(_slot(EXTERNALS))
    (first,) = struct.unpack_from("<I", graph, count)
    taps: list[Tap] = []
    for reference, value in _internal(root):
        shape = tuple(value.GetVectorAsNumpy(types.Uint32Flags, value.Offset(_slot(2))).tolist())
        taps.append(Tap(first + len(taps), shape))
        graph += bytes(-len(graph) % 4)
        # The vtable takes 20 bytes, padded.
        struct.pack_into("<I", graph, reference, len(graph) + 20 - reference)
        graph += _output_value(taps[-1], _number(value, 6))
    struct.pack_into("<I", graph, count, first + len(taps))
    return _assembled(payload, header, bytes(graph)), taps


def _internal(root: Table) -> list[tuple[int, Table]]:
    """Where a value's tensor is referred to, and the tensor; of float values that are computed and stay inside."""
    found, buffer = [], root.Bytes
    vector = root.Offset(_slot(VALUES))
    for number in range(root.VectorLen(vector)):
        entry = Table(buffer, root.Indirect(root.Vector(vector) + 4 * number))
        sort = entry.Offset(_slot(0))
        if not sort or entry.Get(types.Uint8Flags, entry.Pos + sort) != FLOAT_TENSOR:
            continue
        reference = entry.Pos + entry.Offset(_slot(1))
        value = Table(buffer, entry.Indirect(reference))
        constant, flags, datatype = (_number(value, slot) for slot in (3, 5, 0))
        if not constant and not flags and datatype == FLOAT32 and _number(value, 1):
            found.append((reference, value))
    return found


def _output_value(tap: Tap, number: int) -> bytes:
    """A tensor value of the schema, written out: vtable, table, dimensions."""
    rank = len(tap.shape)
    vtable = struct.pack("<9H2x", 18, 32, 4, 8, 12, 16, 20, 24, 28)
    table = struct.pack("<iH2xIIIIII", 20, FLOAT32, rank, 20, 0, tap.argument, EXTERNAL_OUTPUT, number)
    return vtable + table + struct.pack(f"<I{rank}I", rank, *tap.shape)


def _assembled(payload: bytes, header: XNNHeader, graph: bytes) -> bytes:
    graph += bytes(-(header.flatbuffer_offset + len(graph)) % ALIGNMENT)
    first, size = header.constant_data_offset, header.constant_data_size
    moved = XNNHeader(header.flatbuffer_offset, len(graph), header.flatbuffer_offset + len(graph), size)
    between = payload[XNNHeader.EXPECTED_LENGTH : header.flatbuffer_offset]
    return moved.to_bytes() + between + graph + payload[first : first + size]


def _number(table: Table, slot: int) -> int:
    place = table.Offset(_slot(slot))
    if not place:
        return 0
    kind = types.Int16Flags if slot == 0 else types.Uint32Flags
    return table.Get(kind, place + table.Pos)


def _slot(number: int) -> int:
    # A vtable's first two entries, of two bytes each, are sizes.
    return 4 + 2 * number
