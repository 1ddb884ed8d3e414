"""Damaged checkpoints and recipes are refused with an InputError, or are finite weights and rules."""

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from tests.mutations import DEEP, changed_json, damaged, read_or_refuse
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, read_recipe
from tinysam2.models.training.run_folder import RunFolder
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.models.weights.importing.reading import read_state

FEW = settings(max_examples=40, deadline=None, derandomize=True)
NAME = "memory_attention.no_memory"
STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}


def pickled() -> bytes:
    file = io.BytesIO()
    torch.save({"model": STATE}, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def whole(small_model) -> bytes:
    return save(small_model.state_dict(), {"licence": "MIT", "trained_on": '["DAVIS"]'})


@settings(FEW, max_examples=25)
@given(data=st.data())
def test_a_damaged_checkpoint_is_refused_or_finite(small_config, scratch, whole, data):
    header = 8 + int.from_bytes(whole[:8], "little")
    content = data.draw(damaged(whole, data.draw(st.sampled_from([8, 400, header, len(whole)]))))
    loaded = read_or_refuse(lambda path: load_model(small_config, path), scratch / "a.safetensors", content)
    if loaded:
        assert all(torch.isfinite(v).all() for v in loaded.model.state_dict().values() if v.is_floating_point())


@FEW
@given(content=damaged(save(STATE)))
def test_damaged_safetensors_to_import_are_refused_or_tensors(scratch, content):
    state = read_or_refuse(read_state, scratch / "b.safetensors", content)
    assert state is None or all(isinstance(value, torch.Tensor) for value in state.values())


@FEW
@given(content=damaged(pickled()))
def test_a_damaged_pt_to_import_is_refused_or_tensors(scratch, content):
    state = read_or_refuse(read_state, scratch / "b.pt", content)
    assert state is None or all(isinstance(value, torch.Tensor) for value in state.values())


@FEW
@given(text=changed_json(json.loads(DEFAULT_RECIPE.to_json())))
def test_a_changed_recipe_is_refused_or_answers_for_a_layer(scratch, text):
    recipe = read_or_refuse(read_recipe, scratch / "r.json", text)
    assert recipe is None or recipe.precision("mask_decoder", "a.b") in ("w8a8", "w8", "float")


@pytest.mark.parametrize("text", DEEP, ids=len)
def test_deep_json_in_a_recipe_a_checkpoint_or_a_run_is_refused(small_config, small_model, scratch, text):
    assert read_or_refuse(read_recipe, scratch / "r.json", text) is None
    for key in ("recipe", "trained_on"):
        content = save(small_model.state_dict(), {key: text})
        assert read_or_refuse(lambda path: load_model(small_config, path), scratch / "a.safetensors", content) is None
    folder = scratch / "run"
    folder.mkdir(exist_ok=True)
    assert read_or_refuse(lambda path: RunFolder(folder).open({"steps": 1}) or True, folder / "run.json", text) is None


@pytest.mark.parametrize("layers", [5, ["*"], None, {"a": 1}])
def test_a_rule_whose_layers_are_no_pattern_is_refused(scratch, layers):
    text = json.dumps([{"program": "mask_decoder", "layers": layers, "precision": "w8a8"}])
    assert read_or_refuse(read_recipe, scratch / "r.json", text) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.view(torch.int32),
        lambda weight: weight.to(torch.int64),
        lambda weight: weight.bool(),
        lambda weight: weight.to(torch.complex64),
        lambda weight: weight.to(torch.float8_e4m3fn),
        lambda weight: torch.full_like(weight, 1e300, dtype=torch.float64),
    ],
    ids=["bits as int32", "int64", "bool", "complex", "float8", "float64 beyond float32"],
)
def test_weights_of_another_type_or_beyond_float32_are_refused(small_config, small_model, scratch, change):
    state = dict(small_model.state_dict())
    state[NAME] = change(state[NAME])
    content = save(state)
    assert read_or_refuse(lambda path: load_model(small_config, path), scratch / "a.safetensors", content) is None


def test_random_bytes_are_no_checkpoint(small_config, scratch):
    content = np.random.default_rng(0).bytes(4096)
    assert read_or_refuse(lambda path: load_model(small_config, path), scratch / "a.safetensors", content) is None
