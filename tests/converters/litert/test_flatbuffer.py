"""A packed `.tflite` holds equal vectors once, names people can read, and the same model."""

import copy

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from ai_edge_litert import schema_py_generated as schema

from tinysam2.converters.litert.flatbuffer import packed, parsed, shorten_names

CHANNELS = 500


def a_tensor(name: bytes, buffer: int) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.shape, tensor.name, tensor.buffer = np.array([CHANNELS, 1], np.int32), name, buffer
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.arange(CHANNELS, dtype=np.float32)
    tensor.quantization.zeroPoint = np.zeros(CHANNELS, np.int64)
    return tensor


@pytest.fixture
def model() -> schema.ModelT:
    """Two activations and a constant."""
    empty, full, graph, model = schema.BufferT(), schema.BufferT(), schema.SubGraphT(), schema.ModelT()
    full.data = np.arange(8, dtype=np.uint8)
    names = (b"models.a.Encoder_module/torch.nn.Linear_proj;2;;extra", b"plain")
    graph.tensors = [*(a_tensor(name, 0) for name in names), a_tensor(b"models.a.Encoder_module/weight", 1)]
    graph.inputs, graph.outputs, graph.operators = np.array([0], np.int32), np.array([1], np.int32), []
    model.version, model.buffers, model.subgraphs = 3, [empty, full], [graph]
    return model


def test_activations_are_named_after_their_module_and_constants_numbered(model):
    shorten_names(model)
    names = [tensor.name for tensor in parsed(packed(model)).subgraphs[0].tensors]
    assert names == [b"module.proj;2", b"plain", b"c"]


def test_no_two_tensors_have_one_name_in_any_graph(model):
    model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
    shorten_names(model)
    names = [tensor.name for graph in model.subgraphs for tensor in graph.tensors]
    assert names[3:] == ["module.proj;2~1", "plain~1", "c~1"]


def test_contents_behind_the_model_are_taken_into_it(model):
    buffer, contents = model.buffers[1], bytes(model.buffers[1].data)
    buffer.data, buffer.offset, buffer.size = None, 1, len(contents)
    outside = packed(model)
    buffer.offset = len(outside)
    outside = packed(model) + contents
    read = parsed(packed(parsed(outside)))
    assert bytes(read.buffers[1].data) == contents
    assert read.buffers[1].offset == read.buffers[1].size == 0


def test_equal_vectors_are_written_once(model):
    assert len(packed(model)) < CHANNELS * (8 + 4) + 1000


def test_packing_keeps_every_value(model):
    read = parsed(packed(model))
    assert bytes(read.buffers[1].data) == bytes(range(8))
    for tensor, written in zip(read.subgraphs[0].tensors, model.subgraphs[0].tensors, strict=True):
        assert tensor.name == written.name
        assert tensor.shape.tolist() == [CHANNELS, 1]
        assert tensor.quantization.scale.tolist() == list(range(CHANNELS))
        assert tensor.quantization.zeroPoint.tolist() == [0] * CHANNELS
