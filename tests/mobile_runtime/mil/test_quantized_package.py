"""Networks frozen to int8 weights and activations, converted at FLOAT32: every number is torch's own."""

import coremltools as ct
import numpy as np
import pytest
import torch
from torch import nn
from torch.ao.quantization.fx._decomposed import quantized_decomposed_lib  # noqa: F401
from torch.nn import functional as F

from tinysam2.mobile_runtime.mil import MILProgram

DECOMPOSED = torch.ops.quantized_decomposed
SCALE_REWRITING_PASS = "common::distributive_quantized_binary_op_scale_normalization"
"""Moves scales through an addition, which rounds them anew."""


def fp16_scale(scale):
    """A scale as quantization-aware training leaves it, an fp16 number."""
    return torch.as_tensor(scale).half().float()


class QuantizedActivation(nn.Module):
    """Rounds to int8 or uint8 numbers, one scale for all."""

    def __init__(self, scale, zero_point=0, dtype=torch.int8):
        super().__init__()
        limits = torch.iinfo(dtype)
        self.grid = (fp16_scale(scale).item(), zero_point, limits.min, limits.max, dtype)

    def forward(self, x):
        return DECOMPOSED.dequantize_per_tensor(DECOMPOSED.quantize_per_tensor(x, *self.grid), *self.grid)


class QuantizedWeight(nn.Module):
    """An int8 weight with a scale for each output channel, or one for all, and a float bias."""

    def __init__(self, *shape, per_channel=True):
        super().__init__()
        self.register_buffer("weight", torch.randint(-127, 128, shape, dtype=torch.int8))
        self.register_buffer("scales", fp16_scale(torch.rand(shape[0]) * 0.01 + 0.001))
        self.register_buffer("zeros", torch.zeros(shape[0], dtype=torch.int64))
        self.register_buffer("bias", torch.randn(shape[0]))
        self.per_channel = per_channel

    def forward(self):
        limits = (-127, 127, torch.int8)
        if self.per_channel:
            return DECOMPOSED.dequantize_per_channel(self.weight, self.scales, self.zeros, 0, *limits)
        return DECOMPOSED.dequantize_per_tensor(self.weight, 0.0078125, 0, *limits)


def summed(product, x, part, **how):
    """A product with a part's weight and bias, its sums exact as those of int8 are; in an exported graph, plain."""
    if torch.compiler.is_exporting():
        return product(x, part(), part.bias, **how)
    return product(x.double(), part().double(), part.bias.double(), **how).float()


class QuantizedNetwork(nn.Module):
    """image [1, 3, 16, 16] -> [1, 10]: convolution, depthwise convolution, residual sum, linear, all of int8."""

    def __init__(self, per_channel=True, asymmetric=False):
        super().__init__()
        torch.manual_seed(4)
        self.stem = QuantizedWeight(8, 3, 3, 3, per_channel=per_channel)
        self.depthwise = QuantizedWeight(8, 1, 3, 3, per_channel=per_channel)
        self.head = QuantizedWeight(10, 8 * 8 * 8, per_channel=per_channel)
        kind = (11, torch.uint8) if asymmetric else (0, torch.int8)
        # Small enough that many values saturate.
        self.grids = nn.ModuleList(QuantizedActivation(scale, *kind) for scale in (0.0137, 0.1, 0.0271, 1 / 7, 0.61))

    def forward(self, image):
        on_input, on_stem, on_depthwise, on_sum, on_output = self.grids
        x = on_stem(F.relu(summed(F.conv2d, on_input(image), self.stem, stride=2, padding=1)))
        y = on_depthwise(summed(F.conv2d, x, self.depthwise, padding=1, groups=8))
        return on_output(summed(F.linear, on_sum(x + y).flatten(1), self.head))


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(6))


@pytest.fixture
def packaged(convert, image, tmp_path):
    """A network's package, scales left where they were."""

    def make(network, precision=ct.precision.FLOAT32):
        passes = ct.PassPipeline.DEFAULT
        passes.remove_passes({SCALE_REWRITING_PASS})
        return convert(network, (image,), tmp_path / "quantized.mlpackage", precision, pass_pipeline=passes)

    return make


@pytest.mark.parametrize("asymmetric", [False, True], ids=["int8", "uint8 with a zero point"])
@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
def test_a_float32_package_of_int8_weights_and_activations_equals_torch(packaged, image, per_channel, asymmetric):
    network = QuantizedNetwork(per_channel, asymmetric)
    program = MILProgram.load(packaged(network))
    types = [operation.type for operation in program.operations]
    assert types.count("quantize") == 5
    for scale in (0.1, 1.0, 30.0):
        (output,) = program.run(image=(scale * image).numpy()).values()
        np.testing.assert_array_equal(output, network(scale * image).numpy())


def test_int8_weights_count_one_byte_and_are_torchs_own(packaged):
    network = QuantizedNetwork()
    program = MILProgram.load(packaged(network))
    stored = sum(part.weight.numel() for part in (network.stem, network.depthwise, network.head))
    assert stored <= program.weight_bytes < 1.2 * stored


def test_a_float16_package_differs_by_few_steps_of_its_output(packaged, image):
    network = QuantizedNetwork()
    (output,) = MILProgram.load(packaged(network, ct.precision.FLOAT16)).run(image=image.numpy()).values()
    step = network.grids[-1].grid[0]
    assert np.abs(output - network(image).numpy()).max() <= 2 * step
