"""Scales and rounding: one definition for training, for the frozen form and for what the artifacts are held to."""

import torch
from torch import Tensor

ACTIVATION_RANGE = (-128, 127)
WEIGHT_RANGE = (-127, 127)
"""Symmetric, so that a weight and its negative are equally far from it on every target."""

LEAST_SCALE = 1e-4
"""Scales stay where fp16 has its full precision."""


def fp16_scale(scale: Tensor) -> Tensor:
    """Scales as fp16 can hold them, still float32, gradients passed straight through: Core ML stores them in fp16."""
    exact = scale.detach().clamp(min=LEAST_SCALE).half().float()
    return scale + (exact - scale).detach()


def weight_scales(weight: Tensor) -> Tensor:
    """One scale an output channel, [O], fp16-representable, so that the largest weight falls within the range."""
    largest = weight.detach().abs().flatten(1).amax(1)
    scale = fp16_scale(largest / WEIGHT_RANGE[1])
    # Snapping rounds down half of the time; the largest weight would then be clipped.
    short = scale * WEIGHT_RANGE[1] < largest
    step_up = torch.nextafter(scale.half(), torch.tensor(torch.inf, dtype=torch.float16)).float()
    return torch.where(short, step_up, scale)


def by_channel(scale: Tensor, weight: Tensor) -> Tensor:
    """Scales [O] in the shape in which they broadcast over a weight [O, ...]."""
    return scale.reshape(-1, *[1] * (weight.dim() - 1))


def quantized_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """Weights as int8, by the scale of each output channel."""
    return torch.clamp(torch.round(weight * (1 / by_channel(scale, weight))), *WEIGHT_RANGE).to(torch.int8)


def whole_bias(bias: Tensor, input_scale: Tensor | float, weight_scale: Tensor) -> Tensor:
    """A bias [O] in whole multiples of input scale times weight scale, gradients passed straight through.

    Int8 kernels hold it as such an int32: rounded here already, every runtime adds the same.
    """
    # Both scales are fp16 numbers, so that float32 holds their product exactly.
    step = (input_scale * weight_scale).detach()
    return bias + (torch.round(bias.detach() / step) * step - bias.detach())


def activation_scale(low: float, high: float) -> tuple[float, int]:
    """Scale (fp16-representable) and zero point that cover low .. high and hold 0 exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    bottom, top = ACTIVATION_RANGE
    scale = float(fp16_scale(torch.tensor((high - low) / (top - bottom))))
    return scale, int(min(max(round(bottom - low / scale), bottom), top))


def fake_quantized(x: Tensor, scale: Tensor, zero_point: Tensor, limits: tuple[int, int]) -> Tensor:
    """x rounded as int8 would hold it, with gradients to x and to the scale. Source: LSQ (arXiv 1902.08153).

    scale, zero_point: broadcast against x. A value outside the range passes its gradient to the scale alone.
    """
    low, high = limits[0] - zero_point, limits[1] - zero_point
    inside = x / scale
    with torch.no_grad():
        # As the frozen operators round: by the reciprocal, half to even, before the zero point is added.
        rounded = torch.clamp(torch.round(x * (1 / scale)), low, high)
    clamped = torch.minimum(torch.maximum(inside, low), high)
    return (clamped + (rounded - clamped).detach()) * scale
