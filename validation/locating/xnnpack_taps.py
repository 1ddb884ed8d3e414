"""Makes a payload of XNNPACK give its intermediate values: in the file's own graph they become outputs.

Nothing is computed otherwise than in the file, but that XNNPACK cannot fuse into an operation what must now be seen.
"""

from dataclasses import dataclass
from typing import Any

from tinysam2.validation.xnnpack.graph import read_graph, with_graph
from tinysam2.validation.xnnpack.schema_generated import XNNDatatype, XValueT, XValueUnion

EXTERNAL_OUTPUT = 2


@dataclass(frozen=True)
class Tap:
    """An intermediate value: its number among what the payload takes and gives, and its shape."""

    argument: int
    shape: tuple[int, ...]


def tapped(payload: bytes) -> tuple[bytes, list[Tap]]:
    """A copy of a payload that gives every float value it computes, and which those are, in the graph's order.

    Raises ValueError where it is no payload that this version writes.
    """
    _, graph = read_graph(payload)
    taps = []
    for value in filter(_is_internal, graph.xvalues):
        tensor: Any = value.xvalueUnion
        taps.append(Tap(graph.numExterns, tuple(tensor.dims.tolist())))
        tensor.externalId, tensor.flags = graph.numExterns, EXTERNAL_OUTPUT
        graph.numExterns += 1
    return with_graph(payload, graph), taps


def _is_internal(value: XValueT) -> bool:
    """Whether it is a float tensor that is computed, and neither taken nor given."""
    tensor: Any = value.xvalueUnion
    return (
        value.xvalueUnionType == XValueUnion.XNNTensorValue
        and tensor.datatype == XNNDatatype.xnn_datatype_fp32
        and tensor.numDims > 0
        and not tensor.constantBufferIdx
        and not tensor.flags
    )
