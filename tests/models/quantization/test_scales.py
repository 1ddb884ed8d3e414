"""Rounding is one thing everywhere: what training sees is what the frozen operators compute, to the bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinysam2.models.quantization import layers  # noqa: F401 - registers the operators
from tinysam2.models.quantization.scales import (
    ACTIVATION_RANGE,
    LEAST_SCALE,
    WEIGHT_RANGE,
    activation_scale,
    fake_quantized,
    fp16_scale,
    quantized_weight,
    weight_scales,
)

OPERATORS = torch.ops.quantized_decomposed

bounds = st.floats(-300, 300, allow_nan=False)


@given(st.floats(1e-6, 1e3))
def test_a_snapped_scale_is_one_that_fp16_holds(scale):
    found = fp16_scale(torch.tensor(scale))
    assert torch.equal(found, found.half().float())
    assert found == pytest.approx(max(scale, LEAST_SCALE), rel=1e-3)


def test_snapping_passes_gradients_through():
    scale = torch.tensor(0.0123, requires_grad=True)
    (3 * fp16_scale(scale)).backward()
    assert scale.grad == 3


@settings(deadline=None)
@given(bounds, bounds, st.integers(0, 2**16))
def test_training_rounds_as_the_frozen_operators_do(low, high, seed):
    scale, zero_point = activation_scale(min(low, high), max(low, high))
    x = torch.randn(1000, generator=torch.Generator().manual_seed(seed)) * max(abs(low), abs(high), 1)
    # Halves between two integers are where roundings differ.
    x[:100] = (torch.arange(100) - 50.5) * scale
    how = (scale, zero_point, *ACTIVATION_RANGE, torch.int8)
    frozen = OPERATORS.dequantize_per_tensor(OPERATORS.quantize_per_tensor(x, *how), *how)
    seen = fake_quantized(x, torch.tensor(scale), torch.tensor(float(zero_point)), ACTIVATION_RANGE)
    assert torch.equal(seen, frozen)


@given(bounds, bounds)
def test_an_activation_scale_covers_its_range_and_holds_zero(low, high):
    low, high = min(low, high), max(low, high)
    scale, zero_point = activation_scale(low, high)
    bottom, top = ACTIVATION_RANGE
    assert bottom <= zero_point <= top
    # The ends may fall short by the rounding of the zero point and of the scale to fp16.
    slack = scale + 1e-3 * (high - low)
    assert (bottom - zero_point) * scale <= min(low, 0) + slack
    assert (top - zero_point) * scale >= max(high, 0) - slack


@given(st.integers(0, 2**16), st.floats(0.05, 30))
def test_weights_fall_within_the_range_and_half_a_step_of_their_value(seed, size):
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(seed)) * size
    scale = weight_scales(weight)
    integers = quantized_weight(weight, scale)
    assert integers.dtype == torch.int8
    assert integers.abs().max() <= WEIGHT_RANGE[1]
    error = (weight - integers.float() * scale.reshape(-1, 1, 1, 1)).abs().flatten(1).amax(1)
    assert torch.all(error <= scale / 2 * 1.001)


def test_a_value_outside_the_range_teaches_the_scale_alone():
    x = torch.tensor([0.3, 100.0], requires_grad=True)
    scale = torch.tensor(0.1, requires_grad=True)
    fake_quantized(x, scale, torch.tensor(0.0), ACTIVATION_RANGE).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]
    # What is clipped pulls the scale up by the largest integer; what is not, by its rounding error.
    assert scale.grad == pytest.approx(ACTIVATION_RANGE[1] + (3 - 0.3 / 0.1), abs=1e-4)
