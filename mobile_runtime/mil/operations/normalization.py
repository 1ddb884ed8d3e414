"""Normalizations (MIL iOS15 and iOS17 normalization operations)."""

import torch.nn.functional as F
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import register


@register("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=epsilon)


@register("instance_norm")
def instance_norm(x: Tensor, epsilon: float, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
    # One group a channel: F.instance_norm refuses a single spatial element, MIL does not.
    return F.group_norm(x, x.shape[1], gamma, beta, epsilon)


@register("layer_norm")
def layer_norm(
    x: Tensor, axes: list[int], epsilon: float, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    axes = sorted(axis % x.ndim for axis in axes)
    if axes == list(range(x.ndim - len(axes), x.ndim)):
        return F.layer_norm(x, [x.shape[axis] for axis in axes], gamma, beta, epsilon)
    centered = x - x.mean(axes, keepdim=True)
    result = centered / (centered.square().mean(axes, keepdim=True) + epsilon).sqrt()
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    if gamma is not None:
        result = result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


@register("l2_norm")
def l2_norm(x: Tensor, epsilon: float) -> Tensor:
    axes = [-3, -2, -1]
    return x / (x.square().sum(axes, keepdim=True) + epsilon).sqrt()


@register("local_response_norm")
def local_response_norm(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, k)
