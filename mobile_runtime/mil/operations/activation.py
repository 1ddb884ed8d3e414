"""Activation functions (MIL iOS15 and iOS17 activation operations)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import register


@register("relu", rounds=False)
def relu(x: Tensor) -> Tensor:
    return F.relu(x)


@register("relu6", rounds=False)
def relu6(x: Tensor) -> Tensor:
    return F.relu6(x)


@register("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


@register("silu")
def silu(x: Tensor) -> Tensor:
    return F.silu(x)


@register("softsign")
def softsign(x: Tensor) -> Tensor:
    return F.softsign(x)


@register("softplus")
def softplus(x: Tensor) -> Tensor:
    # F.softplus turns linear above a threshold; logaddexp has no threshold, like MIL's definition.
    return torch.logaddexp(x, torch.zeros((), dtype=x.dtype))


@register("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return _per_channel(alpha, x) * softplus(x * _per_channel(beta, x))


@register("gelu")
def gelu(x: Tensor, mode: str) -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@register("softmax")
def softmax(x: Tensor, axis: int) -> Tensor:
    return torch.softmax(x, axis)


@register("elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    return F.elu(x, alpha)


@register("leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    return F.leaky_relu(x, alpha)


@register("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * _per_channel(alpha, x))


@register("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.where(x >= 0, x, alpha * x).clamp(max=beta)


@register("thresholded_relu", rounds=False)
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x >= alpha, x, torch.zeros((), dtype=x.dtype))


@register("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * x + beta


@register("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * torch.tanh(beta * x)


@register("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    return (alpha * x + beta).clamp(0.0, 1.0)


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.reshape((-1,) + (1,) * (x.ndim - 2))
