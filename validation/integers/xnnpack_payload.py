"""The products in the graph that a `.pte` hands to XNNPACK."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinysam2.validation.integers.products import Rounding
from tinysam2.validation.xnnpack.graph import read_graph
from tinysam2.validation.xnnpack.schema_generated import (
    XNNDatatype,
    XNNQuantParams,
    XNodeT,
    XNodeUnion,
    XValueT,
    XValueUnion,
)

DTYPES = {
    XNNDatatype.xnn_datatype_fp32: np.float32,
    XNNDatatype.xnn_datatype_fp16: np.float16,
    XNNDatatype.xnn_datatype_qint8: np.int8,
    XNNDatatype.xnn_datatype_qint32: np.int32,
    XNNDatatype.xnn_datatype_qcint8: np.int8,
    XNNDatatype.xnn_datatype_qcint32: np.int32,
    XNNDatatype.xnn_datatype_int32: np.int32,
}
"""How the elements of a constant are stored."""

NODES = {
    XNodeUnion.XNNFullyConnected: "fully connected",
    XNodeUnion.XNNConv2d: "convolution",
    XNodeUnion.XNNDepthwiseConv2d: "depthwise convolution",
    XNodeUnion.XNNBatchMatrixMultiply: "matrix product",
}
UNREAD = {
    XNodeUnion.XNNScaledDotProductAttention: "scaled dot product attention",
    XNodeUnion.XNNConvTranspose2d: "transposed convolution",
}
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
    header, graph = read_graph(payload)

    def constant(index: int) -> bytes:
        entry: Any = graph.constantData[index]
        if entry.namedKey:
            return named(entry.namedKey.decode())
        first = header.constant_data_offset + entry.offset
        return payload[first : first + entry.size]

    values = dict(_value(entry, constant) for entry in graph.xvalues)
    for entry in graph.xnodes:
        if entry.xnodeUnionType in UNREAD:
            raise ValueError(f"XNNPACK's graph has a {UNREAD[entry.xnodeUnionType]}, which cannot be read")
        if entry.xnodeUnionType in NODES:
            yield _node(NODES[entry.xnodeUnionType], entry, values)


def _node(kind: str, entry: XNodeT, values: dict[int, Value]) -> Node:
    # The schema tells by its kind which fields a node has; its generated class may be any of them.
    node: Any = entry.xnodeUnion
    limits: Any = entry.outputMinMax
    return Node(
        kind,
        values[node.input1Id],
        values[node.input2Id if kind == "matrix product" else node.filterId],
        values[node.outputId],
        transposed=kind == "fully connected" and bool(node.flags & TRANSPOSED_WEIGHTS),
        limits=limits and (limits.outputMin, limits.outputMax),
    )


def _value(entry: XValueT, constant: Callable[[int], bytes]) -> tuple[int, Value]:
    """A value's number and the value."""
    quantized: Any = None
    tensor: Any = entry.xvalueUnion
    if entry.xvalueUnionType == XValueUnion.XNNQuantizedTensorValue:
        quantized, tensor = tensor, tensor.tensorValue
    shape = tuple(tensor.dims.tolist())
    contents = None
    if tensor.constantBufferIdx:
        # XNNPACK reads a little past a tensor's end, so the file pads it.
        dtype = DTYPES[tensor.datatype]
        contents = np.frombuffer(constant(tensor.constantBufferIdx), dtype, math.prod(shape)).reshape(shape)
    rounding = scale = None
    axis = 0
    if quantized is not None:
        how = quantized.quantParams
        if quantized.quantParamsType == XNNQuantParams.PerTensorQuant:
            rounding = Rounding(how.scale, how.zeroPoint)
        elif quantized.quantParamsType == XNNQuantParams.PerChannelQuant:
            scale = np.frombuffer(constant(how.scaleBufferIdx), np.float32)
            axis = how.channelDim
    return tensor.idOut, Value(shape, contents, rounding, scale, axis)
