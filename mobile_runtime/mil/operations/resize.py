"""Resizing of the last dimensions (MIL iOS15 to iOS17 image_resizing operations)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.operations.registry import register


@register("upsample_nearest_neighbor", rounds=False)
def upsample_nearest_neighbor(x: Tensor, scale_factor_height: float, scale_factor_width: float) -> Tensor:
    return _nearest(x, _scaled(x, scale_factor_height, scale_factor_width))


@register("resize_nearest_neighbor", rounds=False)
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    return _nearest(x, [target_size_height, target_size_width])


@register("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float,
    scale_factor_width: float,
    align_corners: bool,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    sizes = _scaled(x, scale_factor_height, scale_factor_width)
    if align_corners:
        return _linear(x, sizes, "STRICT_ALIGN_CORNERS")
    return _linear(x, sizes, "DEFAULT" if half_pixel_centers is False else "UNALIGN_CORNERS")


@register("resize_bilinear")
def resize_bilinear(x: Tensor, target_size_height: int, target_size_width: int, sampling_mode: str) -> Tensor:
    return _linear(x, [target_size_height, target_size_width], sampling_mode)


@register("resize")
def resize(x: Tensor, shape: list[int], resized_dims: int, interpolation_mode: str, sampling_mode: str) -> Tensor:
    wanted = shape[len(shape) - resized_dims :]
    sizes = [size or x.shape[x.ndim - resized_dims + index] for index, size in enumerate(wanted)]
    if interpolation_mode == "LINEAR":
        return _linear(x, sizes, sampling_mode)
    if sampling_mode != "DEFAULT":
        raise InputError(
            f"resize with NEAREST_NEIGHBOR and sampling mode {sampling_mode} has no published definition; "
            "the interpreter computes DEFAULT."
        )
    return _nearest(x, sizes)


def _scaled(x: Tensor, height_factor: float, width_factor: float) -> list[int]:
    return [int(x.shape[-2] * height_factor), int(x.shape[-1] * width_factor)]


def _nearest(x: Tensor, sizes: list[int]) -> Tensor:
    for offset, size in enumerate(sizes):
        axis = x.ndim - len(sizes) + offset
        # In integers: a float scale rounds some boundaries to the wrong side.
        x = x.index_select(axis, torch.arange(size) * x.shape[axis] // size)
    return x


def _linear(x: Tensor, sizes: list[int], sampling_mode: str) -> Tensor:
    if len(sizes) == 2 and sampling_mode in ("STRICT_ALIGN_CORNERS", "UNALIGN_CORNERS") and x.is_floating_point():
        planes = x.reshape(1, -1, *x.shape[-2:])
        resized = F.interpolate(
            planes, size=sizes, mode="bilinear", align_corners=sampling_mode == "STRICT_ALIGN_CORNERS"
        )
        return resized.reshape(*x.shape[:-2], *sizes)
    for offset, size in enumerate(sizes):
        x = _linear_along(x, x.ndim - len(sizes) + offset, size, sampling_mode)
    return x


def _linear_along(x: Tensor, axis: int, size: int, sampling_mode: str) -> Tensor:
    points = _grid(x.shape[axis], size, sampling_mode).clamp(0, x.shape[axis] - 1)
    lower = points.floor()
    weight = (points - lower).float().reshape([-1 if dimension == axis else 1 for dimension in range(x.ndim)])
    upper = (lower + 1).clamp(max=x.shape[axis] - 1)
    below, above = (x.index_select(axis, position.long()) for position in (lower, upper))
    return below * (1 - weight) + above * weight


def _grid(size_in: int, size_out: int, sampling_mode: str) -> Tensor:
    """Positions in the input that the output samples, before clamping (MIL iOS15 resize_bilinear, Notes)."""
    index = torch.arange(size_out, dtype=torch.float64)
    if sampling_mode == "DEFAULT":
        return index * size_in / size_out
    if sampling_mode == "UNALIGN_CORNERS":
        return (index + 0.5) * size_in / size_out - 0.5
    if sampling_mode == "OFFSET_CORNERS":
        return (index + 0.5) * max(1, size_in - 1) / size_out
    if size_out == 1:
        return index if sampling_mode == "STRICT_ALIGN_CORNERS" else index + (size_in - 1) / 2
    return index * (size_in - 1) / (size_out - 1)
