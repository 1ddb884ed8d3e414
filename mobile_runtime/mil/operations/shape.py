"""Operations that rearrange, join or cut tensors and compute nothing (MIL tensor transformations)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.operations.registry import register


@register("reshape", rounds=False)
def reshape(x: Tensor, shape: list[int]) -> Tensor:
    # A zero copies the input's size; since iOS17 sizes are matched from the right, which for equal ranks is
    # what iOS15 does too.
    offset = x.ndim - len(shape)
    sizes = [
        size if size != 0 else (x.shape[offset + index] if offset + index >= 0 else 1)
        for index, size in enumerate(shape)
    ]
    return x.reshape(sizes)


@register("reshape_like", rounds=False)
def reshape_like(
    x: Tensor, ref_tensors: list[Tensor], begins: list[Tensor], ends: list[Tensor], end_masks: list[Tensor]
) -> Tensor:
    sizes: list[int] = []
    for reference, begin, end, to_the_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        sizes.extend(reference.shape[int(begin) : None if to_the_end else int(end)])
    return x.reshape(sizes)


@register("flatten2d", rounds=False)
def flatten2d(x: Tensor, axis: int) -> Tensor:
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@register("expand_dims", rounds=False)
def expand_dims(x: Tensor, axes: list[int]) -> Tensor:
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@register("squeeze", rounds=False)
def squeeze(x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(axes)


@register("transpose", rounds=False)
def transpose(x: Tensor, perm: list[int]) -> Tensor:
    return x.permute(perm)


@register("concat", rounds=False)
def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    if values[0].ndim == 0:
        return torch.stack(values)
    if not interleave:
        return torch.cat(values, axis)
    axis %= values[0].ndim
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


@register("stack", rounds=False)
def stack(values: list[Tensor], axis: int) -> Tensor:
    return torch.stack(values, axis)


@register("split", rounds=False)
def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: list[int] | None = None
) -> tuple[Tensor, ...]:
    if split_sizes:
        return torch.split(x, split_sizes, axis)
    if not num_splits:
        raise InputError("a split has neither num_splits nor split_sizes; one of them must be given")
    return torch.split(x, x.shape[axis] // num_splits, axis)


@register("tile", rounds=False)
def tile(x: Tensor, reps: list[int]) -> Tensor:
    return x.repeat(reps)


@register("reverse", rounds=False)
def reverse(x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.flip(list(range(x.ndim)) if axes is None else axes)


@register("pad", rounds=False)
def pad(x: Tensor, pad: list[int], mode: str, constant_val: float) -> Tensor:
    last_first = [amount for i in reversed(range(0, len(pad), 2)) for amount in pad[i : i + 2]]
    if mode == "constant":
        return F.pad(x, last_first, value=constant_val)
    # torch reflects and replicates the last dimensions of a batch of channels only: add those it misses.
    padded = max((index // 2 + 1 for index, amount in enumerate(last_first) if amount), default=1)
    lead = x.reshape(1, -1, *x.shape[x.ndim - padded :])
    result = F.pad(lead, last_first[: 2 * padded], mode=mode)
    return result.reshape(x.shape[: x.ndim - padded] + result.shape[2:])


@register("crop", rounds=False)
def crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    height, width = x.shape[-2:]
    return x[..., crop_height[0] : height - crop_height[1], crop_width[0] : width - crop_width[1]]


@register("pixel_shuffle", rounds=False)
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    return F.pixel_shuffle(x, upscale_factor)


@register("pixel_unshuffle", rounds=False)
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    return F.pixel_unshuffle(x, downscale_factor)


@register("depth_to_space", rounds=False)
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    # TensorFlow's order, block row and column outermost in the channels; pixel_shuffle has them innermost.
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, block_size, block_size, channels // block_size**2, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, height * block_size, width * block_size)


@register("space_to_depth", rounds=False)
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, channels, height // block_size, block_size, width // block_size, block_size)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(
        batch, channels * block_size**2, height // block_size, width // block_size
    )


@register("sliding_windows", rounds=False)
def sliding_windows(x: Tensor, axis: int, size: int, stride: int) -> Tensor:
    axis %= x.ndim
    return x.unfold(axis, size, stride).movedim(-1, axis + 1)


@register("shape", rounds=False)
def shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape, dtype=torch.int32)


@register("fill", rounds=False)
def fill(shape: list[int], value: Tensor) -> Tensor:
    return value.expand(shape)


@register("fill_like", rounds=False)
def fill_like(ref_tensor: Tensor, value: Tensor) -> Tensor:
    return value.expand(ref_tensor.shape)
