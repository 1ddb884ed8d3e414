"""Golden vectors: what is recorded, its form and its bytes."""

import json
import struct

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file

from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.validation.golden.reading import read_golden
from tinysam2.validation.golden.recording import record_golden
from tinysam2.validation.golden.schemas import golden_schema
from tinysam2.validation.golden.tensors import TensorReader, TensorWriter
from tinysam2.validation.golden.trace import CORRECTED, OCCLUDED, REMOVED, SECOND_OBJECT, golden_trace


@pytest.fixture(scope="module")
def bundle(small_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    record_golden({"torch": TorchBackend(small_model)}, {"torch": "fp32"}, folder)
    return folder


def test_the_index_is_as_its_schema_says(bundle):
    jsonschema.validate(json.loads((bundle / "golden/index.json").read_text()), golden_schema())


def test_raw_bytes_at_the_offsets_are_the_safetensors_values(bundle):
    index = json.loads((bundle / "golden/index.json").read_text())
    data, tensors = (bundle / index["tensors_file"]).read_bytes(), load_file(bundle / index["tensors_file"])
    assert set(index["tensors"]) == set(tensors)
    for name, entry in index["tensors"].items():
        size = tensors[name].nbytes
        assert data[entry["offset"] : entry["offset"] + size] == tensors[name].tobytes()
        assert entry["shape"] == list(tensors[name].shape)


def test_the_same_model_gives_the_same_bytes(bundle, small_model, tmp_path):
    record_golden({"torch": TorchBackend(small_model)}, {"torch": "fp32"}, tmp_path)
    for name in ("golden/index.json", "golden/tensors.safetensors"):
        assert (tmp_path / name).read_bytes() == (bundle / name).read_bytes()


def test_every_program_is_recorded_for_a_prompted_and_an_unprompted_object(bundle):
    programs = read_golden(bundle).index["programs"]
    assert [entry["program"] for entry in programs] == [
        "image_encoder",
        *["memory_attention", "mask_decoder", "memory_encoder"] * 2,
    ]
    golden = read_golden(bundle)
    prompted = [golden.tensors[e["inputs"]["is_prompted"]].item() for e in programs if "is_prompted" in e["inputs"]]
    assert prompted == [1.0, 0.0]


def test_the_trace_goes_through_what_an_app_meets():
    trace = golden_trace()
    assert len(trace) == 12
    assert set(trace[0].prompts) == {1}
    assert trace[SECOND_OBJECT].prompts[2].mask is not None
    assert np.ptp(trace[OCCLUDED].frame) == 0
    assert [point.positive for point in trace[CORRECTED].prompts[1].points] == [True, False]
    assert [step.remove for step in trace[REMOVED:]] == [(2,), ()]


def test_equal_tensors_are_stored_once(tmp_path):
    writer = TensorWriter()
    assert writer.add("a", np.zeros(3, np.float32)) == "a"
    assert writer.add("b", np.zeros(3, np.float32)) == "a"
    assert writer.add("c", np.zeros(3, np.int32)) == "c"
    index = writer.write(tmp_path / "t")
    assert set(index) == {"a", "c"}
    assert TensorReader(tmp_path / "t", index)["c"].dtype == np.int32


def test_float32_lies_at_multiples_of_four(tmp_path):
    writer = TensorWriter()
    writer.add("byte", np.zeros(3, np.uint8))
    writer.add("float", np.arange(5, dtype=np.float32))
    index = writer.write(tmp_path / "t")
    assert index["float"]["offset"] % 4 == 0
    data = (tmp_path / "t").read_bytes()
    assert struct.unpack_from("<5f", data, index["float"]["offset"]) == (0, 1, 2, 3, 4)


def test_another_dtype_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="golden tensors are uint8, int32, float32"):
        TensorWriter().add("a", np.zeros(3))
