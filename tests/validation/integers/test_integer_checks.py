"""Which product is which layer, and what the checks say of products made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tinysam2.models.quantization.recipe import FLOAT, W8A8
from tinysam2.validation.integers.checks import check_integers
from tinysam2.validation.integers.layers import Layer
from tinysam2.validation.integers.products import OHWI, ONE_HWO, Contents, Product, Rounding, StoredWeight, int8_shares

INPUT_QPARAMS, OUTPUT_QPARAMS = Rounding(0.5, 3), Rounding(0.125, -7)


def weight_of(seed: int, shape=(4, 6)) -> StoredWeight:
    values = np.random.default_rng(seed).integers(-127, 128, shape, dtype=np.int8)
    return StoredWeight(values, np.full(shape[0], 0.25, np.float32), np.zeros(shape[0], np.int64))


def layer_of(
    name: str, weight: StoredWeight, precision: str = W8A8, output_qparams: Rounding = OUTPUT_QPARAMS
) -> Layer:
    return Layer(f"memory_encoder.{name}", "memory_encoder", precision, weight, INPUT_QPARAMS, output_qparams)


def product_of(layer: Layer, **changes) -> Product:
    product = Product(layer.program, "here", 100, layer.weight, layer.input_qparams, layer.output_qparams)
    return replace(product, **changes)


@pytest.fixture
def layers() -> list[Layer]:
    return [layer_of("a", weight_of(1)), layer_of("b", weight_of(2)), layer_of("c", weight_of(3, (8, 2, 3, 3)))]


def faults(layers, products) -> dict[str, dict[str, str]]:
    return {
        verdict.name: dict(verdict.faults)
        for verdict in check_integers(layers, Contents(list(products))).verdicts
        if not verdict.passed
    }


def test_layers_of_one_shape_are_told_by_their_integers_in_whatever_order(layers):
    assert faults(layers, [product_of(layer) for layer in reversed(layers)]) == {}


def test_a_layer_that_is_applied_twice_is_held_to_the_checkpoint_both_times(layers):
    twice = [*map(product_of, layers), product_of(layers[0], output_qparams=Rounding(0.125, -8))]
    said = "the zero point of its output is -8 instead of -7"
    assert faults(layers, twice) == {"zero points": {"memory_encoder.a": said}}


def test_a_weight_with_no_integer_right_is_told_of_the_layer_that_nothing_else_is(layers):
    products = [product_of(layers[0]), product_of(layers[1], weight=weight_of(9)), product_of(layers[2])]
    assert list(faults(layers, products)["weights"]) == ["memory_encoder.b"]


def test_a_pointwise_convolution_may_have_become_a_linear_layer():
    layer = layer_of("a", weight_of(1, (4, 6, 1, 1)))
    linear = replace(layer.weight, values=layer.weight.values.reshape(4, 6))
    assert faults([layer], [product_of(layer, weight=linear)]) == {}


def test_a_layer_that_is_not_in_the_file_is_told(layers):
    assert faults(layers, map(product_of, layers[1:])) == {"recipe": {"memory_encoder.a": "it is not in the file"}}


def test_a_layer_of_another_program_is_not_taken_for_this_ones(layers):
    elsewhere = product_of(layers[0], program="mask_decoder")
    assert faults(layers, [elsewhere, *map(product_of, layers[1:])]) == {
        "recipe": {
            "memory_encoder.a": "it is not in the file",
            "mask_decoder: here": "its weight is int8 and no layer's",
        }
    }


def test_int8_where_the_recipe_says_float_is_told(layers):
    layers[1] = replace(layers[1], precision=FLOAT)
    told = faults(layers, map(product_of, layers))["recipe"]
    assert told == {
        "memory_encoder.b": "its weight is int8, the recipe says float; its input is int8, the recipe says float; "
        "its output is int8, the recipe says float"
    }


def test_an_activation_left_in_float_is_told(layers):
    products = [product_of(layers[0], output_qparams=None), *map(product_of, layers[1:])]
    assert faults(layers, products) == {"recipe": {"memory_encoder.a": "its output is float, the recipe says w8a8"}}


def test_two_activations_multiplied_in_int8_are_told(layers):
    attention = Product("memory_encoder", "there", 10, None, INPUT_QPARAMS, OUTPUT_QPARAMS)
    assert faults(layers, [*map(product_of, layers), attention]) == {
        "recipe": {"memory_encoder: there": "it multiplies two activations in int8"}
    }


def test_a_zero_point_of_a_weight_is_told(layers):
    shifted = replace(layers[0].weight, zero_point=np.ones(4, np.int64))
    products = [product_of(layers[0], weight=shifted), *map(product_of, layers[1:])]
    assert faults(layers, products) == {"zero points": {"memory_encoder.a": "a zero point of its weight is not 0"}}


def test_a_kernel_does_the_relu_of_its_layer_and_no_other(layers):
    layers[0] = replace(layers[0], with_relu=True)
    others = [*map(product_of, layers[1:])]
    assert faults(layers, [product_of(layers[0], fused="RELU"), *others]) == {}
    assert faults(layers, [product_of(layers[0]), *others]) == {
        "recipe": {"memory_encoder.a": "its kernel does no ReLU before it rounds"}
    }
    others[0] = product_of(layers[1], fused="RELU")
    assert faults(layers, [product_of(layers[0], fused="RELU"), *others]) == {
        "recipe": {"memory_encoder.b": "its kernel does RELU before it rounds"}
    }


def test_a_rounding_that_is_nobodys_is_told(layers):
    strange = product_of(layers[0], output_qparams=Rounding(0.25, -127))
    assert faults(layers, [strange, *map(product_of, layers[1:])]) == {
        "scales": {"memory_encoder.a": "the scale of its output is 0.25 instead of 0.125"},
        "zero points": {"memory_encoder.a": "the zero point of its output is -127 instead of -7"},
    }


def test_layouts_bring_weights_and_their_axis_to_the_checkpoints():
    dense, depthwise = np.zeros((8, 3, 5, 2), np.int8), np.zeros((1, 3, 5, 8), np.int8)
    assert OHWI.weight(dense, np.ones(8), axis=0).values.shape == (8, 2, 3, 5)
    assert ONE_HWO.weight(depthwise, np.ones(8), axis=3).values.shape == (8, 1, 3, 5)
    assert ONE_HWO.weight(depthwise, np.ones(8), axis=3).axis == 0
    assert OHWI.weight(dense, np.ones(8), axis=3).axis == 1


def test_the_share_of_int8_counts_multiply_accumulates_and_not_layers(layers):
    small = Product("memory_encoder", "there", 50, None, None, None)
    share = int8_shares([product_of(layers[0]), small, small])["memory_encoder"]
    assert (share.int8, share.total, share.value) == (100, 200, 0.5)
