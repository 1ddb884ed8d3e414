"""Whatever bytes a target's file holds, its readers raise nothing but InputError, one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tinysam2.core.errors import InputError
from tinysam2.core.silencing import silenced

PROGRAM = "program"

tried = settings(
    deadline=None,
    database=None,
    derandomize=True,
    # A file is long: what fails is shown as it was found.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def damage(data: st.DataObject, whole: bytes) -> bytes:
    """The bytes cut short, with up to eight others in them, others from some place on, or none of them."""
    kind = data.draw(st.sampled_from(("cut", "mutated", "overwritten", "random")))
    if kind == "random":
        return data.draw(st.binary(max_size=64))
    place = st.integers(0, len(whole) - 1)
    if kind == "cut":
        return whole[: data.draw(place)]
    changed = bytearray(whole)
    if kind == "overwritten":
        first, other = data.draw(place), data.draw(st.binary(min_size=1, max_size=16))
        changed[first : first + len(other)] = other
    else:
        for where, mask in data.draw(st.lists(st.tuples(place, st.integers(1, 255)), min_size=1, max_size=8)):
            changed[where] ^= mask
    return bytes(changed)


def assert_read_or_refused(read: Callable[[], object]) -> None:
    """Read it may be: some bytes say nothing, and others say something else that makes sense."""
    said = "nothing"
    try:
        with silenced():
            read()
    except InputError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


@pytest.fixture(scope="module")
def tflite() -> bytes:
    """One int8 layer: 4 values to 2."""
    pytest.importorskip("ai_edge_litert")
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: bytes, shape: tuple[int, ...], buffer: int) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = name, np.array(shape, np.int32), buffer, schema.TensorType.INT8
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = np.full(shape[0], 0.5, np.float32)
        made.quantization.zeroPoint = np.zeros(shape[0], np.int64)
        return made

    def border(name: bytes, index: int) -> schema.TensorMapT:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, index
        return made

    operator, code, graph = schema.OperatorT(), schema.OperatorCodeT(), schema.SubGraphT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    operator.inputs, operator.outputs = np.array([0, 1], np.int32), np.array([2], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.tensors = [tensor(b"x", (1, 4), 0), tensor(b"weight", (2, 4), 1), tensor(b"y", (1, 2), 0)]
    graph.inputs, graph.outputs, graph.operators = np.array([0], np.int32), np.array([2], np.int32), [operator]
    empty, weight, signature, model = schema.BufferT(), schema.BufferT(), schema.SignatureDefT(), schema.ModelT()
    weight.data = np.arange(8, dtype=np.uint8)
    signature.signatureKey, signature.subgraphIndex = PROGRAM.encode(), 0
    signature.inputs, signature.outputs = [border(b"x", 0)], [border(b"output_0", 2)]
    model.version, model.buffers, model.subgraphs, model.operatorCodes = 3, [empty, weight], [graph], [code]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def tflite_readers(tflite, tmp_path_factory) -> tuple[Path, tuple[Callable[[], object], ...]]:
    from tinysam2.mobile_runtime.memory.tflite import read_tflite_memory
    from tinysam2.validation.integers.read_tflite import read_contents
    from tinysam2.validation.locating.read_tflite import float_results

    path = tmp_path_factory.mktemp("tflite") / "a.tflite"
    return path, (
        lambda: read_tflite_memory(path, {}),
        lambda: read_contents(path, (PROGRAM,)),
        lambda: float_results(path),
    )


def test_the_tflite_that_is_damaged_can_be_read(tflite, tflite_readers):
    path, readers = tflite_readers
    path.write_bytes(tflite)
    memory, contents, results = (read() for read in readers)
    assert memory.weights == 8
    assert [product.macs for product in contents.products] == [8]
    assert list(results) == [PROGRAM]


@settings(tried, max_examples=120)
@given(data=st.data())
def test_a_damaged_tflite_is_refused(tflite, tflite_readers, data):
    path, readers = tflite_readers
    path.write_bytes(damage(data, tflite))
    for read in readers:
        assert_read_or_refused(read)


@pytest.fixture(scope="module")
def pte() -> bytes:
    """One layer, 4 values to 2, that XNNPACK computes."""
    pytest.importorskip("executorch")
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with silenced():
        exported = torch.export.export(torch.nn.Linear(4, 2).eval(), (torch.zeros(1, 4),))
        lowered = to_edge_transform_and_lower({PROGRAM: exported}, partitioner=[XnnpackPartitioner()])
        return bytes(lowered.to_executorch().buffer)


@pytest.fixture(scope="module")
def pte_readers(tmp_path_factory) -> tuple[Path, tuple[Callable[[], object], ...]]:
    from tinysam2.core.contract import ProgramSpec, TensorSpec
    from tinysam2.mobile_runtime.memory.pte import read_pte_memory
    from tinysam2.mobile_runtime.pte_file import read_layouts
    from tinysam2.validation.integers.read_executorch import read_contents

    contract = {
        PROGRAM: ProgramSpec(PROGRAM, (TensorSpec("x", (1, 4), "given"),), (TensorSpec("y", (1, 2), "computed"),))
    }
    path = tmp_path_factory.mktemp("pte") / "a.pte"
    return path, (
        lambda: read_pte_memory(path, contract),
        lambda: read_layouts(path, contract),
        lambda: read_contents(path, (PROGRAM,)),
    )


def test_the_pte_that_is_damaged_can_be_read(pte, pte_readers):
    path, readers = pte_readers
    path.write_bytes(pte)
    memory, layouts, contents = (read() for read in readers)
    assert list(memory.methods) == list(layouts) == [PROGRAM]
    assert [product.macs for product in contents.products] == [8]


@settings(tried, max_examples=15)
@given(data=st.data())
def test_a_damaged_pte_is_refused(pte, pte_readers, data):
    path, readers = pte_readers
    path.write_bytes(damage(data, pte))
    for read in readers:
        assert_read_or_refused(read)


@settings(tried, max_examples=80)
@given(data=st.data())
def test_a_damaged_payload_in_a_pte_is_refused(pte, pte_readers, data):
    from executorch.exir._serialize._program import deserialize_pte_binary

    _, readers = pte_readers
    file = _opened(pte, deserialize_pte_binary)
    [stored] = file.program.backend_delegate_data
    whole, stored.data = stored.data, damage(data, bytes(stored.data))
    try:
        with pytest.MonkeyPatch.context() as patch:
            for module in (
                "mobile_runtime.memory.pte",
                "mobile_runtime.pte_file",
                "validation.integers.read_executorch",
            ):
                patch.setattr(f"tinysam2.{module}.open_pte", lambda path: file)
            for read in readers:
                assert_read_or_refused(read)
    finally:
        stored.data = whole


_OPEN: dict[bytes, object] = {}


def _opened(whole: bytes, read: Callable[[bytes], object]):
    """As read from a file once: it takes a process."""
    if whole not in _OPEN:
        _OPEN[whole] = read(whole)
    return _OPEN[whole]


@pytest.fixture(scope="module")
def mlpackage(tmp_path_factory) -> Path:
    """One layer, 16 values to 8, with its weight in the package's file of weights."""
    ct = pytest.importorskip("coremltools")
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

    with silenced():

        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 16))], opset_version=ct.target.iOS17)
        def layer(x):
            return mb.linear(x=x, weight=np.ones((8, 16), np.float32), name="y")

        package = tmp_path_factory.mktemp("mlpackage") / "a.mlpackage"
        ct.convert(
            layer,
            convert_to="mlprogram",
            skip_model_load=True,
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=ct.precision.FLOAT32,
        ).save(str(package))
    return package


def _read_package(package: Path) -> object:
    from tinysam2.mobile_runtime.mil import MILProgram
    from tinysam2.validation.integers.read_coreml import read_contents

    MILProgram.load(package).peak_activation()
    return read_contents(package, (PROGRAM,))


def test_the_mlpackage_that_is_damaged_can_be_read(mlpackage):
    assert [product.macs for product in _read_package(mlpackage).products] == [128]


@pytest.mark.parametrize(
    "inner", ["Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"]
)
@settings(tried, max_examples=25)
@given(data=st.data())
def test_a_damaged_mlpackage_is_refused(mlpackage, inner, data):
    file = mlpackage / inner
    whole = file.read_bytes()
    try:
        file.write_bytes(damage(data, whole))
        assert_read_or_refused(lambda: _read_package(mlpackage))
    finally:
        file.write_bytes(whole)
