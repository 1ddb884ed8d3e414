"""A changed golden index, tensors and budget are refused with an InputError, or fit their schema."""

import json

import numpy as np
import pytest
from hypothesis import given, settings

from tests.mutations import DEEP, changed_json, damaged, read_or_refuse
from tinysam2.core.manifest import read_manifest
from tinysam2.validation.golden.schemas import golden_schema, read_json, results_schema
from tinysam2.validation.golden.tensors import TensorReader
from tinysam2.validation.memory.budget import read_budget

FEW = settings(max_examples=60, deadline=None, derandomize=True)
ENTRY = {"offset": 8, "dtype": "float32", "shape": [2, 3]}


OTHER = ["NaN", "1e999", "9" * 5000, "[]", '"\\ud800"', '{"manifest_version": 1e99}']


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def budget(path):
    return read_budget(path, "nano")


READERS = {
    "golden index": lambda path: read_json(path, golden_schema(), "ship the bundle again"),
    "results": lambda path: read_json(path, results_schema(), "replay again"),
    "manifest": read_manifest,
    "budget": budget,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("text", [*DEEP, *OTHER], ids=len)
def test_other_json_is_refused(scratch, read, text):
    assert read_or_refuse(read, scratch / "a.json", text) is None


@FEW
@given(text=changed_json({"activations": 3, "total": 20.5}))
def test_a_changed_budget_is_refused_or_a_limit(scratch, text):
    found = read_or_refuse(budget, scratch / "b.json", text)
    assert found is None or 0 <= found.total.mib < float("inf")


def test_a_limit_beyond_float64_is_refused(scratch):
    assert read_or_refuse(budget, scratch / "b.json", json.dumps({"total": 10**400})) is None


@FEW
@given(content=damaged(bytes(8) + np.arange(6, dtype="<f4").tobytes()))
def test_a_tensor_of_a_damaged_file_is_refused_or_of_its_shape(scratch, content):
    found = read_or_refuse(lambda path: TensorReader(path, {"a": ENTRY})["a"], scratch / "t.safetensors", content)
    assert found is None or found.shape == (2, 3)
