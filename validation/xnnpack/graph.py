"""A payload of XNNPACK's delegate: header, graph and constants. Reading and writing the graph loses nothing.

The layout is that of executorch's backends/xnnpack/serialization: xnnpack_graph_serialize.py and schema.fbs. Its own
way back, flatc's JSON, prints scales to six digits only.
"""

import flatbuffers
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import CONSTANT_TENSOR_ALIGNMENT, XNNHeader

from tinysam2.validation.xnnpack.schema_generated import XNNGraphT

IDENTIFIER = b"XN01"


def read_graph(payload: bytes) -> tuple[XNNHeader, XNNGraphT]:
    """The header and the graph of a payload. Raises ValueError where it is not one as this version writes it."""
    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    start, size = header.flatbuffer_offset, header.flatbuffer_size
    buffer = payload[start : start + size]
    if buffer[4:8] != IDENTIFIER:
        raise ValueError(f"XNNPACK's graph is of version {buffer[4:8]!r}, not {IDENTIFIER!r}")
    return header, XNNGraphT.InitFromPackedBuf(buffer)


def with_graph(payload: bytes, graph: XNNGraphT) -> bytes:
    """The payload with another graph and the same constants."""
    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    builder = flatbuffers.Builder()
    builder.Finish(graph.Pack(builder), IDENTIFIER)
    packed = bytes(builder.Output())
    packed += bytes(-(header.flatbuffer_offset + len(packed)) % CONSTANT_TENSOR_ALIGNMENT)
    first, size = header.constant_data_offset, header.constant_data_size
    moved = XNNHeader(header.flatbuffer_offset, len(packed), header.flatbuffer_offset + len(packed), size)
    between = payload[XNNHeader.EXPECTED_LENGTH : header.flatbuffer_offset]
    return moved.to_bytes() + between + packed + payload[first : first + size]
