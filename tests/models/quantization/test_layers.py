"""A quantized layer's bias is whole, its ReLU is its own, and gradients reach what training learns."""

import itertools

import pytest
import torch
from torch import nn

from tinysam2.models.network.layers import WITH_RELU, LinearReLU
from tinysam2.models.network.programs import build_programs
from tinysam2.models.quantization.conversion import calibrate, quantization_aware
from tinysam2.models.quantization.layers import QuantizedLayer, frozen
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, FLOAT, PROGRAMS, W8A8, Recipe, Rule
from tinysam2.models.quantization.scales import whole_bias


@pytest.fixture
def x():
    return torch.randn(32, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def calibrated(x):
    """Makes a layer's calibrated variant."""

    def make(layer: nn.Module, **how: bool) -> QuantizedLayer:
        variant = QuantizedLayer(layer, activations=True, **how)
        calibrate(variant, lambda watched: watched(x))
        return variant

    return make


def test_a_bias_is_a_whole_number_of_the_accumulators_steps(calibrated):
    layer = frozen(calibrated(nn.Linear(6, 5)))
    step = layer.input_qparams[0] * layer.weight_scale.double()
    integers = layer.bias.double() / step
    # As near as float32 holds the product; a kernel rounds the rest away.
    torch.testing.assert_close(integers, integers.round(), rtol=1e-7, atol=0)
    assert integers.abs().min() > 1


def test_rounding_a_bias_moves_it_by_half_a_step_at_most_and_passes_gradients():
    bias = torch.tensor([0.3, -0.0201, 0.0], requires_grad=True)
    scale = torch.tensor([0.5, 0.25, 1.0])
    found = whole_bias(bias, 0.125, scale)
    assert torch.all((found - bias).abs() <= 0.125 * scale / 2)
    found.sum().backward()
    assert bias.grad.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("rounds_output", [True, False])
def test_a_relu_comes_before_the_rounding_and_stays_when_frozen(calibrated, x, rounds_output):
    variant = calibrated(LinearReLU(6, 5), rounds_output=rounds_output)
    layer = frozen(variant)
    torch.testing.assert_close(layer(x), variant(x))
    assert layer(x).min() == 0
    if rounds_output:
        # Nothing is below 0: all 256 integers are for what is above.
        assert layer.output_qparams[1] == -128
    else:
        assert layer.output_qparams is None


def test_what_a_relu_leaves_is_read_by_the_next_layer_and_rounded_there(small_model):
    every = Recipe(tuple(Rule(program, "*", W8A8) for program in PROGRAMS))
    variant = quantization_aware(small_model, every).eval()
    layers = {name: module for name, module in variant.named_modules() if isinstance(module, QuantizedLayer)}
    took, gave = {}, {}

    def keep(name: str, inputs, output) -> None:
        took[name], gave[name] = inputs[0], output

    for name, layer in layers.items():
        layer.active = False
        layer.register_forward_hook(lambda _, inputs, output, name=name: keep(name, inputs, output))
    with torch.no_grad():
        for program in build_programs(variant).values():
            program(**{tensor.name: torch.rand(tensor.shape) for tensor in program.spec.inputs})
    with_relu = {name for name, layer in layers.items() if isinstance(layer.layer, WITH_RELU)}
    assert {name for name, layer in layers.items() if layer.output is None} == with_relu
    readers = dict(itertools.pairwise(layers))
    assert len(with_relu) > 20
    assert all(took[readers[name]] is gave[name] for name in with_relu)


def test_a_relu_whose_reader_stays_in_float_is_rounded_by_its_layer(small_model):
    recipe = Recipe((*DEFAULT_RECIPE.rules, Rule("mask_decoder", "pointer.layers.1", FLOAT)))
    variant = quantization_aware(small_model, recipe)
    assert variant.mask_decoder.pointer.layers[0].output is not None
    assert variant.mask_decoder.iou_head.layers[0].output is None


def test_gradients_reach_weights_biases_and_scales(calibrated, x):
    variant = calibrated(nn.Linear(6, 5))
    variant(x).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in variant.parameters())
