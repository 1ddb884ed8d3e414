"""What small `.pte` and `.tflite` plans tell of their memory; real artifacts are compared in tests/e2e."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.core.errors import InputError

SPEC = ProgramSpec(
    "program", (TensorSpec("image", (1, 4), "pixels"),), (TensorSpec("features", (1, 2), "what is seen"),)
)


@pytest.fixture
def pte():
    """Three planned tensors (16, 64 and 8 bytes) in an arena of 96, one constant, one delegate with a named weight."""
    schema = pytest.importorskip("executorch.exir.schema")
    from executorch.exir.scalar_type import ScalarType

    def tensor(sizes, buffer=0, planned=True):
        place = schema.AllocationDetails(1, 0, 0) if planned else None
        return schema.EValue(
            schema.Tensor(
                ScalarType.FLOAT, 0, sizes, [0, 1], False, 0, buffer, place, schema.TensorShapeDynamism.STATIC
            )
        )

    def plan(name, delegates):
        return schema.ExecutionPlan(
            name,
            schema.ContainerMetadata("", ""),
            [tensor([1, 4]), tensor([4, 4]), tensor([1, 2]), tensor([2], buffer=1, planned=False)],
            inputs=[0],
            outputs=[2],
            chains=[
                schema.Chain(
                    [0],
                    [2],
                    [
                        schema.Instruction(schema.DelegateCall(0, [0, 3, 1])),
                        schema.Instruction(schema.KernelCall(0, [1, 2])),
                    ],
                    None,
                )
            ],
            operators=[schema.Operator("aten::sum", "out")],
            delegates=delegates,
            non_const_buffer_sizes=[0, 96],
        )

    key = "ab" * 32
    held = schema.BackendDelegate(
        "XnnpackBackend", schema.BackendDelegateDataReference(schema.DataLocation.INLINE, 0), []
    )
    return SimpleNamespace(
        program=schema.Program(
            0,
            [plan("program", [held]), plan("other", [held])],
            [schema.Buffer(b""), schema.Buffer(bytes(8))],
            [schema.BackendDelegateInlineData(b"graph " + key.encode())],
            [],
            schema.SubsegmentOffsets(0, []),
        ),
        named_data=SimpleNamespace(pte_data={key: SimpleNamespace(buffer_index=0)}, buffers=[bytes(1000)]),
    )


@pytest.fixture
def read_pte(pte, monkeypatch, tmp_path):
    from tinysam2.mobile_runtime.memory import pte as memory_pte

    monkeypatch.setattr(memory_pte, "open_pte", lambda path: pte)
    return memory_pte.read_pte_memory(tmp_path / "a.pte", {"program": SPEC})


def test_a_pte_plans_its_arena_and_names_what_is_alive_at_the_peak(read_pte):
    _, peak = read_pte.methods["program"]
    assert (peak.bytes, peak.known, peak.operation) == (96, "planned", "instruction 0 (XnnpackBackend)")
    assert [(tensor.name, tensor.bytes) for tensor in peak.tensors] == [("value 1 [4, 4]", 64), ("image", 16)]


def test_weights_that_two_methods_share_count_in_each_and_once_in_all(read_pte):
    stored = 8 + 6 + 64 + 1000
    assert {name: weights for name, (weights, _) in read_pte.methods.items()} == {"program": stored, "other": stored}
    assert read_pte.weights == stored


def test_a_file_that_is_no_pte_is_refused(tmp_path):
    pytest.importorskip("executorch")
    from tinysam2.mobile_runtime.memory.pte import read_pte_memory

    (tmp_path / "a.pte").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"a\.pte is not a readable \.pte file"):
        read_pte_memory(tmp_path / "a.pte", {})


@pytest.fixture
def write_tflite(tmp_path):
    """Writes a model of one signature: a 16 byte input, a 64 byte tensor, an 8 byte output, and 40 bytes of weights."""
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

    def tensor(name, shape, buffer=0, kind=schema.TensorType.FLOAT32):
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = name.encode(), np.array(shape, np.int32), buffer, kind
        return made

    def operator(code, inputs, outputs):
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = code, np.array(inputs, np.int32), np.array(outputs, np.int32)
        return made

    def code(builtin):
        made = schema.OperatorCodeT()
        made.builtinCode = builtin
        made.deprecatedBuiltinCode = min(builtin, 127)
        return made

    def border(name, index):
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name.encode(), index
        return made

    def buffer(size):
        made = schema.BufferT()
        made.data = np.zeros(size, np.uint8) if size else None
        return made

    def write(middle_type=schema.TensorType.FLOAT32):
        graph, signature, model = schema.SubGraphT(), schema.SignatureDefT(), schema.ModelT()
        graph.tensors = [
            tensor("in", [1, 4]),
            tensor("weight", [10], buffer=1),
            tensor("module.proj;2", [4, 4], kind=middle_type),
            tensor("out", [1, 2]),
        ]
        graph.inputs, graph.outputs = np.array([0], np.int32), np.array([3], np.int32)
        graph.operators = [operator(0, [0, 1], [2]), operator(1, [2], [3])]
        signature.signatureKey, signature.subgraphIndex = b"program", 0
        signature.inputs, signature.outputs = [border("image", 0)], [border("output_0", 3)]
        model.version, model.subgraphs, model.signatureDefs = 3, [graph], [signature]
        model.operatorCodes = [code(schema.BuiltinOperator.FULLY_CONNECTED), code(schema.BuiltinOperator.GELU)]
        model.buffers = [buffer(0), buffer(40)]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        (tmp_path / "a.tflite").write_bytes(bytes(builder.Output()))
        return tmp_path / "a.tflite"

    return write


def test_a_tflite_is_estimated_from_when_its_tensors_live(write_tflite):
    from tinysam2.mobile_runtime.memory.tflite import read_tflite_memory

    memory = read_tflite_memory(write_tflite(), {"program": SPEC})
    weights, peak = memory.signatures["program"]
    assert (memory.weights, weights) == (40, 40)
    assert (peak.bytes, peak.known, peak.operation) == (80, "estimated", "operator 0 (FULLY_CONNECTED)")
    assert [(tensor.name, tensor.bytes) for tensor in peak.tensors] == [("module.proj;2", 64), ("image", 16)]


def test_a_tensor_counts_its_own_types_bytes(write_tflite):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    from tinysam2.mobile_runtime.memory.tflite import read_tflite_memory

    _, peak = read_tflite_memory(write_tflite(schema.TensorType.INT8), {"program": SPEC}).signatures["program"]
    assert peak.bytes == 16 + 16


def test_operators_beyond_the_older_field_are_named(write_tflite):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    from tinysam2.mobile_runtime.memory.tflite import OPERATORS

    assert OPERATORS[schema.BuiltinOperator.GELU] == "GELU"
    assert schema.BuiltinOperator.GELU > 127


@pytest.mark.parametrize("data", [b"", b"garbage" * 9])
def test_a_file_that_is_no_tflite_is_refused(tmp_path, data):
    pytest.importorskip("ai_edge_litert")
    from tinysam2.mobile_runtime.memory.tflite import read_tflite_memory

    (tmp_path / "a.tflite").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tflite is not a"):
        read_tflite_memory(tmp_path / "a.tflite", {})
