"""Pooling in one to three spatial dimensions (MIL iOS15 pooling operations)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.padding import is_symmetric, pad_spatial, spatial_padding
from tinysam2.mobile_runtime.mil.operations.registry import register

_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


@register("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: list[int],
    strides: list[int],
    pad_type: str,
    pad: list[int],
    ceil_mode: bool,
    exclude_padding_from_average: bool,
) -> Tensor:
    pool = _AVERAGE[len(kernel_sizes)]
    padding = _padding(x, kernel_sizes, strides, pad_type, pad)
    if _torch_can_pad(padding, kernel_sizes):
        amounts = [before for before, _ in padding]
        return pool(x, kernel_sizes, strides, amounts, ceil_mode, not exclude_padding_from_average)
    average = pool(pad_spatial(x, padding), kernel_sizes, strides, 0, ceil_mode)
    if exclude_padding_from_average:
        inside = pad_spatial(torch.ones_like(x[:1, :1]), padding)
        average = average / pool(inside, kernel_sizes, strides, 0, ceil_mode)
    return average


@register("max_pool", rounds=False)
def max_pool(
    x: Tensor, kernel_sizes: list[int], strides: list[int], pad_type: str, pad: list[int], ceil_mode: bool
) -> Tensor:
    padding = _padding(x, kernel_sizes, strides, pad_type, pad)
    if _torch_can_pad(padding, kernel_sizes):
        amounts = [before for before, _ in padding]
    else:
        x, amounts = pad_spatial(x, padding, -math.inf), [0] * len(padding)
    return _MAXIMUM[len(kernel_sizes)](x, kernel_sizes, strides, amounts, ceil_mode=ceil_mode)


@register("l2_pool")
def l2_pool(
    x: Tensor, kernel_sizes: list[int], strides: list[int], pad_type: str, pad: list[int], ceil_mode: bool
) -> Tensor:
    # ceil_mode windows hang over the end; zeros there add nothing to a sum, so pad for them before.
    padding = _padding(x, kernel_sizes, strides, pad_type, pad)
    squares = pad_spatial(x.square(), padding)
    if ceil_mode:
        overhang = [
            (0, -(size - kernel) % stride)
            for size, kernel, stride in zip(squares.shape[2:], kernel_sizes, strides, strict=True)
        ]
        squares = pad_spatial(squares, overhang)
    mean_square = _AVERAGE[len(kernel_sizes)](squares, kernel_sizes, strides)
    return (mean_square * math.prod(kernel_sizes)).sqrt()


def _padding(
    x: Tensor, kernel_sizes: list[int], strides: list[int], pad_type: str, pad: list[int]
) -> list[tuple[int, int]]:
    return spatial_padding(pad_type, pad, x.shape[2:], kernel_sizes, strides, [1] * len(kernel_sizes))


def _torch_can_pad(padding: list[tuple[int, int]], kernel_sizes: list[int]) -> bool:
    fits = all(before <= kernel // 2 for (before, _), kernel in zip(padding, kernel_sizes, strict=True))
    return fits and is_symmetric(padding)
