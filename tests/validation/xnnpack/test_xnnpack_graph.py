"""XNNPACK's graph is read and written without loss, by classes of the schema that ExecuTorch brings."""

import numpy as np
import pytest

pytest.importorskip("executorch")

from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader

from tinysam2.validation.locating.xnnpack_taps import Tap, tapped
from tinysam2.validation.xnnpack import generate
from tinysam2.validation.xnnpack import schema_generated as schema
from tinysam2.validation.xnnpack.graph import read_graph, with_graph

CONSTANTS = bytes(range(40))
SCALE = float(np.float32(1 / 3))
"""A float32 that six digits do not tell from its neighbours."""


def test_the_committed_classes_are_those_of_the_installed_schema():
    assert generate.MODULE.read_text(encoding="utf-8") == generate.generated()


def tensor(number, flags=0, constant=0):
    made = schema.XNNTensorValueT()
    made.datatype, made.numDims, made.dims = schema.XNNDatatype.xnn_datatype_fp32, 2, [2, 5]
    made.idOut, made.flags, made.externalId, made.constantBufferIdx = number, flags, number if flags else 0, constant
    value = schema.XValueT()
    value.xvalueUnionType, value.xvalueUnion = schema.XValueUnion.XNNTensorValue, made
    return value


@pytest.fixture
def payload():
    """An input (flag 1), a constant, a quantized value, one that stays inside, and the output (flag 2)."""
    graph, quantized = schema.XNNGraphT(), schema.XNNQuantizedTensorValueT()
    quantized.tensorValue = tensor(2).xvalueUnion
    quantized.quantParamsType, quantized.quantParams = schema.XNNQuantParams.PerTensorQuant, schema.PerTensorQuantT()
    quantized.quantParams.scale, quantized.quantParams.zeroPoint = SCALE, -3
    wrapped = schema.XValueT()
    wrapped.xvalueUnionType, wrapped.xvalueUnion = schema.XValueUnion.XNNQuantizedTensorValue, quantized
    node, entry = schema._XNNNode2x1T(), schema.XNodeT()
    node.input1Id, node.input2Id, node.outputId = 0, 1, 3
    entry.xnodeUnionType, entry.xnodeUnion = schema.XNodeUnion.XNNAdd, node
    entry.outputMinMax = schema.OutputMinMaxT()
    entry.outputMinMax.outputMin, entry.outputMinMax.outputMax = 0.0, float("inf")
    graph.version, graph.numExterns, graph.xnodes = "0", 2, [entry]
    graph.xvalues = [tensor(0, flags=1), tensor(1, constant=1), wrapped, tensor(3), tensor(4, flags=2)]
    graph.inputIds, graph.outputIds, graph.constantData = [0], [4], [schema.ConstantDataOffsetT()]
    header = XNNHeader(32, 1, 33, len(CONSTANTS))
    return with_graph(header.to_bytes() + bytes(2) + bytes(1) + CONSTANTS, graph)


def constants(payload):
    header, _ = read_graph(payload)
    assert header.constant_data_offset % 16 == 0
    return payload[header.constant_data_offset :]


def test_what_is_read_and_written_is_the_same(payload):
    _, graph = read_graph(payload)
    assert with_graph(payload, graph) == payload
    assert constants(payload) == CONSTANTS
    assert graph.xvalues[2].xvalueUnion.quantParams.scale == SCALE
    assert graph.xnodes[0].outputMinMax.outputMax == float("inf")


def test_a_tapped_payload_gives_what_stayed_inside_and_is_otherwise_the_same(payload):
    opened, taps = tapped(payload)
    assert taps == [Tap(2, (2, 5))]
    _, graph = read_graph(opened)
    inside = graph.xvalues[3].xvalueUnion
    assert (graph.numExterns, inside.externalId, inside.flags, inside.idOut) == (3, 2, 2, 3)
    graph.numExterns, inside.externalId, inside.flags = 2, 0, 0
    assert with_graph(opened, graph) == payload
    assert constants(opened) == CONSTANTS


@pytest.mark.parametrize("damage", [lambda p: p[:20], lambda p: p.replace(b"XH00", b"XH01"), lambda p: p[:36]])
def test_what_is_no_payload_is_refused(payload, damage):
    with pytest.raises(ValueError, match=r"Invalid XNNHeader|of version"):
        read_graph(damage(payload))


def test_a_graph_of_another_version_is_refused(payload):
    with pytest.raises(ValueError, match=r"of version b'XN00', not b'XN01'"):
        read_graph(payload.replace(b"XN01", b"XN00"))
