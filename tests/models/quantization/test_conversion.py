"""The float model by a recipe: quantization-aware, calibrated, frozen to the same integers, stored and read back."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tinysam2.core.errors import InputError
from tinysam2.models.network.programs import build_programs
from tinysam2.models.quantization.conversion import (
    calibrate,
    freeze,
    quantizable_layers,
    quantization_aware,
    with_float_weights,
)
from tinysam2.models.quantization.data_flow import layer_readers
from tinysam2.models.quantization.layers import FrozenLayer, QuantizedLayer
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, PROGRAMS, Recipe, Rule
from tinysam2.models.training.quantized import save_quantized
from tinysam2.models.weights.checkpoint import load_model, save_checkpoint, seeded_model
from tinysam2.models.weights.terms import Terms


@pytest.fixture(scope="module")
def example(small_model):
    """Random inputs of each program, by name."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: {tensor.name: torch.rand(tensor.shape, generator=generator) for tensor in program.spec.inputs}
        for name, program in build_programs(small_model).items()
    }


@pytest.fixture(scope="module")
def run_programs(example):
    """Runs all programs of a model on the example: program -> outputs."""

    def run(model):
        with torch.no_grad():
            return {name: program(**example[name]) for name, program in build_programs(model).items()}

    return run


@pytest.fixture(scope="module")
def calibrated(small_model, run_programs):
    """Makes the small model's calibrated variant of a recipe."""

    def make(recipe):
        variant = quantization_aware(small_model, recipe).eval()
        calibrate(variant, lambda watched: _run_modules(watched, run_programs))
        return variant

    return make


def _run_modules(watched, run_programs):
    # `build_programs` copies the image encoder, and what a copy saw would be lost.
    fuse = watched.image_encoder.fuse
    watched.image_encoder.fuse = lambda: watched.image_encoder
    run_programs(watched)
    watched.image_encoder.fuse = fuse


def test_every_convolution_and_projection_can_be_quantized_and_nothing_else(small_model):
    every = Recipe(tuple(Rule(program, "*", "w8a8") for program in PROGRAMS))
    variant = quantization_aware(small_model, every)
    quantized = [name for name, module in variant.named_modules() if isinstance(module, QuantizedLayer)]
    assert {name.split(".")[0] for name in quantized} == set(PROGRAMS)
    left = [
        name
        for name, module in variant.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and not name.endswith(".layer")
    ]
    assert left == []


def test_the_image_encoder_is_fused_before_it_is_quantized(small_model):
    names = quantizable_layers(quantization_aware(small_model, Recipe(())))
    assert "image_encoder.trunk.stages.0.blocks.0.token_mixer" in names
    variant = quantization_aware(small_model, DEFAULT_RECIPE)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in variant.modules())


def test_the_recipe_decides_layer_by_layer(small_model):
    recipe = Recipe((Rule("mask_decoder", "iou_head.*", "w8"), Rule("mask_decoder", "pointer.*", "w8a8")))
    variant = quantization_aware(small_model, recipe)
    quantized = {name: m for name, m in variant.named_modules() if isinstance(m, QuantizedLayer)}
    assert {name.split(".")[1] for name in quantized} == {"iou_head", "pointer"}
    assert all((layer.input is None) == ("iou_head" in name) for name, layer in quantized.items())


def test_an_empty_recipe_changes_no_output(small_model, run_programs):
    variant = quantization_aware(small_model, Recipe(()))
    for name, outputs in run_programs(small_model).items():
        for expected, found in zip(outputs, run_programs(variant)[name], strict=True):
            assert torch.equal(expected, found)


def test_the_float_model_is_left_as_it_was(small_model, small_config, calibrated):
    calibrated(DEFAULT_RECIPE)
    expected = seeded_model(small_config).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in small_model.state_dict().items())


def test_a_layer_that_nothing_reached_is_named(small_model):
    variant = quantization_aware(small_model, DEFAULT_RECIPE)
    with pytest.raises(RuntimeError, match="nothing passed this quantizer"):
        calibrate(variant, lambda watched: None)


def test_what_a_layer_rounds_its_reader_rounds_by_the_same_scale_in_training_too(calibrated):
    variant = calibrated(DEFAULT_RECIPE)
    stem = variant.image_encoder.trunk.stem.conv2
    reader = variant.image_encoder.trunk.stages[0].blocks[0].token_mixer
    assert reader.input is stem.output
    with torch.no_grad():
        stem.output.log_scale += 0.5
    frozen = freeze(variant).image_encoder.trunk
    assert frozen.stages[0].blocks[0].token_mixer.input_qparams == frozen.stem.conv2.output_qparams


def test_what_reads_a_layer_is_found_by_the_data_and_not_by_the_order_of_definition(small_model):
    every = Recipe(tuple(Rule(program, "*", "w8a8") for program in PROGRAMS))
    shuffled = copy.deepcopy(small_model)
    for module in shuffled.modules():
        if not isinstance(module, nn.ModuleList | nn.Sequential):
            module._modules = dict(reversed(module._modules.items()))
    expected, found = (_without_output(quantization_aware(model, every)) for model in (small_model, shuffled))
    assert expected == found
    assert "memory_attention.layers.0.linear1" in expected


def _without_output(variant):
    return {name for name, m in variant.named_modules() if isinstance(m, QuantizedLayer) and m.output is None}


def test_an_output_that_something_else_reads_too_has_such_a_reader(small_model):
    readers = layer_readers(quantization_aware(small_model, Recipe(())))
    assert readers["mask_decoder.iou_head.layers.0"] == {"mask_decoder.iou_head.layers.1"}
    assert readers["mask_decoder.iou_head.layers.2"] == {None}
    stem, mixer = "image_encoder.trunk.stem.conv2", "image_encoder.trunk.stages.0.blocks.0.token_mixer"
    assert readers[stem] == {mixer}


@pytest.mark.parametrize("precision", ["w8a8", "w8"])
def test_the_frozen_model_computes_what_training_saw(calibrated, run_programs, precision):
    variant = calibrated(Recipe(tuple(Rule(program, "*", precision) for program in PROGRAMS)))
    seen, frozen = run_programs(variant), run_programs(freeze(variant))
    for name, outputs in seen.items():
        for expected, found in zip(outputs, frozen[name], strict=True):
            assert torch.equal(expected, found), name


def test_unfolding_keeps_every_integer(calibrated, run_programs):
    frozen = freeze(calibrated(DEFAULT_RECIPE))
    for name, outputs in run_programs(frozen).items():
        for expected, found in zip(outputs, run_programs(with_float_weights(frozen))[name], strict=True):
            assert torch.equal(expected, found), name


def test_quantization_is_close_to_the_float_model_and_not_equal(small_model, calibrated, run_programs):
    expected = run_programs(small_model)["image_encoder"][0]
    found = run_programs(calibrated(DEFAULT_RECIPE))["image_encoder"][0]
    error = (expected - found).norm() / expected.norm()
    assert 1e-4 < error < 0.3


def test_a_checkpoint_holds_integers_and_is_read_back(tmp_path, small_model, small_config, calibrated, run_programs):
    variant, path = calibrated(DEFAULT_RECIPE), tmp_path / "int8.safetensors"
    float_path = tmp_path / "float.safetensors"
    save_checkpoint(small_model.state_dict(), float_path, {})
    save_quantized(variant, DEFAULT_RECIPE, load_model(small_config, float_path), Terms(), path)
    state = load_file(path)
    layer = "image_encoder.trunk.stages.0.blocks.0.token_mixer"
    assert state[f"{layer}.weight"].dtype == torch.int8
    assert {f"{layer}.weight_scale", f"{layer}.input_scale", f"{layer}.output_zero_point"} <= set(state)

    loaded = load_model(small_config, path, quantized=True)
    assert loaded.recipe == DEFAULT_RECIPE
    assert any(isinstance(module, FrozenLayer) for module in loaded.model.modules())
    for name, outputs in run_programs(freeze(variant)).items():
        for expected, found in zip(outputs, run_programs(loaded.model)[name], strict=True):
            assert torch.equal(expected, found)


def test_int8_and_float_checkpoints_are_not_taken_for_each_other(tmp_path, small_model, small_config, calibrated):
    float_path, path = tmp_path / "float.safetensors", tmp_path / "int8.safetensors"
    save_checkpoint(small_model.state_dict(), float_path, {})
    save_quantized(calibrated(DEFAULT_RECIPE), DEFAULT_RECIPE, load_model(small_config, float_path), Terms(), path)
    with pytest.raises(InputError, match="holds int8 weights; name the float weights"):
        load_model(small_config, path)
    with pytest.raises(InputError, match="holds float weights; quantize them first: tinysam2 quantize"):
        load_model(small_config, float_path, quantized=True)
    assert load_model(small_config, path, quantized=None).recipe == DEFAULT_RECIPE
    assert load_model(small_config, float_path, quantized=None).recipe is None


def test_a_weight_that_is_not_int8_is_refused(tmp_path, small_model, small_config, calibrated):
    float_path, path = tmp_path / "float.safetensors", tmp_path / "int8.safetensors"
    save_checkpoint(small_model.state_dict(), float_path, {})
    save_quantized(calibrated(DEFAULT_RECIPE), DEFAULT_RECIPE, load_model(small_config, float_path), Terms(), path)
    state = load_file(path)
    name = "image_encoder.trunk.stem.conv1.weight"
    save_file({**state, name: state[name].float()}, path, {"recipe": DEFAULT_RECIPE.to_json()})
    with pytest.raises(InputError, match=r"stem.conv1.weight as torch.float32; its recipe says torch.int8"):
        load_model(small_config, path, quantized=True)
