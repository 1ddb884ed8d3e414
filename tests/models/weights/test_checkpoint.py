"""A checkpoint is checked whole before a model is built from it; without one the weights are seeded."""

import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.models.weights import checkpoint
from tinysam2.models.weights.checkpoint import load_model, save_checkpoint, seeded_model, weights_digest

NAME = "memory_attention.no_memory"


@pytest.fixture
def state(small_model):
    """Weights to change."""
    return {name: value.clone() for name, value in small_model.state_dict().items()}


@pytest.fixture
def refusal(small_config, tmp_path):
    """What loading these weights is refused with."""

    def refuse(state) -> str:
        path = tmp_path / "weights.safetensors"
        save_file(state, path)
        with pytest.raises(InputError) as refusal:
            load_model(small_config, path)
        assert str(path) in str(refusal.value)
        return str(refusal.value)

    return refuse


def test_weights_come_back_as_they_were_saved(small_config, tmp_path):
    saved = seeded_model(small_config, seed=1)
    path = tmp_path / "new" / "weights.safetensors"
    save_checkpoint(saved.state_dict(), path, {"step": "10"})
    loaded = load_model(small_config, path)
    assert loaded.source == path.name
    assert loaded.trained
    assert loaded.digest == weights_digest(saved.state_dict())
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value), name
    assert not loaded.model.training


def test_without_a_checkpoint_the_weights_are_seeded_and_said_to_be(small_config):
    loaded = load_model(small_config)
    assert loaded.source == "seeded weights (small, seed 2605)"
    assert not loaded.trained
    assert loaded.digest == load_model(small_config).digest


def test_a_presets_shipped_weights_are_its_default(small_config, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "WEIGHTS", tmp_path)
    shipped = seeded_model(small_config, seed=7).state_dict()
    save_checkpoint(shipped, tmp_path / "small.safetensors", {})
    loaded = load_model(small_config)
    assert loaded.trained
    assert loaded.source == "shipped weights (small)"
    assert loaded.digest == weights_digest(shipped)


def test_half_precision_weights_are_read_as_float32(small_config, state, tmp_path):
    path = tmp_path / "half.safetensors"
    save_file({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, path)
    model = load_model(small_config, path).model
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model.state_dict()[NAME], state[NAME], atol=1e-3, rtol=0)


def test_a_missing_file_is_refused(small_config, tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors does not exist; it must be a \.safetensors file"):
        load_model(small_config, tmp_path / "none.safetensors")


@pytest.mark.parametrize("contents", [b"", b"not a checkpoint at all", b"\xff" * 64])
def test_a_file_that_is_no_safetensors_is_refused(small_config, tmp_path, contents):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(contents)
    with pytest.raises(InputError, match=r"weights\.safetensors is not a readable safetensors file"):
        load_model(small_config, path)


def test_a_file_that_was_cut_short_is_refused(small_config, small_model, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_checkpoint(small_model.state_dict(), path, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a readable safetensors file"):
        load_model(small_config, path)


def test_a_missing_weight_is_named(refusal, state):
    del state[NAME]
    assert refusal(state).endswith(f"lacks {NAME} of preset small")


def test_of_many_missing_weights_the_first_is_named_and_the_others_counted(refusal, state):
    kept = {name: value for name, value in state.items() if not name.startswith("memory_attention.")}
    assert f"lacks memory_attention.layers.0.cross_attn.k_proj.bias and {len(state) - len(kept) - 1} more" in refusal(
        kept
    )


def test_an_unknown_weight_is_named(refusal, state):
    assert "has surplus, unknown to preset small" in refusal({**state, "surplus": torch.zeros(1)})


def test_a_weight_of_another_shape_is_named_with_both_shapes(refusal, state):
    assert f"has {NAME} of shape [1, 31]; preset small wants [1, 32]" in refusal({**state, NAME: torch.zeros(1, 31)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(refusal, state, value):
    state[NAME][0, 3] = value
    assert f"has values in {NAME} that are not finite" in refusal(state)


def test_another_presets_checkpoint_is_refused(refusal):
    assert "preset small" in refusal(dict(seeded_model(preset("nano")).state_dict()))


def test_a_save_that_fails_leaves_the_former_checkpoint_whole(tmp_path, state):
    path = tmp_path / "weights.safetensors"
    save_checkpoint(state, path, {})
    before = path.read_bytes()
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever safetensors says of metadata that is no text
        save_checkpoint(state, path, {"step": 10})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]


def test_seeded_weights_are_the_same_each_time_and_others_with_another_seed(small_config):
    first, again, other = (weights_digest(seeded_model(small_config, s).state_dict()) for s in (1, 1, 2))
    assert first == again != other


def test_seeding_leaves_the_callers_random_state_alone(small_config):
    torch.manual_seed(0)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    seeded_model(small_config)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]


def test_the_digest_changes_with_one_value_a_name_or_a_shape():
    digests = {
        weights_digest(state)
        for state in (
            {"a": torch.zeros(2, 3)},
            {"a": torch.zeros(2, 3).index_fill(0, torch.tensor([1]), 1e-30)},
            {"b": torch.zeros(2, 3)},
            {"a": torch.zeros(3, 2)},
            {"a": torch.zeros(2, 3, dtype=torch.float64)},
        )
    }
    assert len(digests) == 5


def test_the_digest_is_of_the_weights_and_not_of_how_they_are_stored():
    a, b = torch.arange(6.0).reshape(2, 3), torch.ones(2)
    strided = torch.arange(6.0).reshape(2, 3).t().contiguous().t()
    assert weights_digest({"a": a, "b": b}) == weights_digest({"b": b, "a": strided})
