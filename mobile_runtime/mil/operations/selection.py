"""Sorting, ranges, masks and other generators (MIL tensor operations)."""

import torch
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import register


@register("topk", rounds=False)
def topk(
    x: Tensor,
    k: int,
    axis: int,
    ascending: bool,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> Tensor | tuple[Tensor, Tensor]:
    # A stable sort rather than torch.topk, so that ties come in index order: Core ML promises no order.
    values, indices = torch.sort(x, dim=axis, descending=not ascending, stable=True)
    values = values.narrow(axis, 0, k)
    return (values, indices.narrow(axis, 0, k)) if return_indices else values


@register("argsort", rounds=False)
def argsort(x: Tensor, axis: int, ascending: bool) -> Tensor:
    return torch.argsort(x, dim=axis, descending=not ascending, stable=True)


@register("cumsum")
def cumsum(x: Tensor, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    if reverse:
        x = x.flip(axis)
    total = x.cumsum(axis)
    if exclusive:
        total = torch.cat([torch.zeros_like(total.narrow(axis, 0, 1)), total.narrow(axis, 0, x.shape[axis] - 1)], axis)
    return total.flip(axis) if reverse else total


@register("band_part", rounds=False)
def band_part(x: Tensor, lower: int, upper: int) -> Tensor:
    below = torch.arange(x.shape[-2]).unsqueeze(1) - torch.arange(x.shape[-1])
    outside = torch.zeros_like(below, dtype=torch.bool)
    if lower >= 0:
        outside |= below > lower
    if upper >= 0:
        outside |= -below > upper
    return x.masked_fill(outside, 0)


@register("one_hot", rounds=False)
def one_hot(indices: Tensor, one_hot_vector_size: int, axis: int, on_value: Tensor, off_value: Tensor) -> Tensor:
    # Compared rather than scattered: an index outside the vector gives a row of off values.
    hot = indices.unsqueeze(-1) == torch.arange(one_hot_vector_size)
    return torch.where(hot, on_value, off_value).movedim(-1, axis)


@register("range_1d", rounds=False)
def range_1d(end: Tensor, start: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype)


@register("non_zero", rounds=False)
def non_zero(x: Tensor) -> Tensor:
    return x.nonzero()
