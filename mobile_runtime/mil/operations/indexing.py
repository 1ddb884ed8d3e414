"""Slices, gathers and scatters (MIL iOS15 to iOS18 slicing and scatter_gather operations)."""

import torch
from torch import Tensor

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.operations.registry import register


@register("slice_by_index", rounds=False)
def slice_by_index(
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    window, reversed_axes = _window(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    result = x[window]
    if reversed_axes:
        # torch has no negative step: the window was cut forwards.
        result = result.flip(reversed_axes)
    if squeeze_mask is None or not any(squeeze_mask):
        return result
    return result[tuple(0 if squeezed else slice(None) for squeezed in squeeze_mask)]


@register("slice_update", rounds=False)
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    if squeeze_mask is not None:
        for axis, squeezed in enumerate(squeeze_mask):
            if squeezed:
                update = update.unsqueeze(axis)
    window, reversed_axes = _window(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    result = x.clone()
    result[window] = update.flip(reversed_axes) if reversed_axes else update
    return result


@register("slice_by_size", rounds=False)
def slice_by_size(x: Tensor, begin: list[int], size: list[int]) -> Tensor:
    window = []
    for axis, (start, length) in enumerate(zip(begin, size, strict=True)):
        start = start + x.shape[axis] if start < 0 else start
        window.append(slice(start, None if length == -1 else start + length))
    return x[tuple(window)]


@register("gather", rounds=False)
def gather(x: Tensor, indices: Tensor, axis: int, batch_dims: int = 0, validate_indices: bool = False) -> Tensor:
    axis %= x.ndim
    indices = _positions(indices, x.shape[axis], validate_indices)
    if batch_dims == 0:
        selected = x.index_select(axis, indices.reshape(-1))
        return selected.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])
    batches = x.flatten(0, batch_dims - 1), indices.flatten(0, batch_dims - 1)
    inner = [gather(*pair, axis - batch_dims) for pair in zip(*batches, strict=True)]
    return torch.stack(inner).unflatten(0, x.shape[:batch_dims])


@register("gather_along_axis", rounds=False)
def gather_along_axis(x: Tensor, indices: Tensor, axis: int, validate_indices: bool = False) -> Tensor:
    return x.gather(axis, _positions(indices, x.shape[axis], validate_indices))


@register("gather_nd", rounds=False)
def gather_nd(x: Tensor, indices: Tensor, batch_dims: int = 0, validate_indices: bool = False) -> Tensor:
    if batch_dims:
        batches = x.flatten(0, batch_dims - 1), indices.flatten(0, batch_dims - 1)
        inner = [gather_nd(*pair, 0, validate_indices) for pair in zip(*batches, strict=True)]
        return torch.stack(inner).unflatten(0, x.shape[:batch_dims])
    return x[_coordinates(indices, x, validate_indices)]


@register("scatter")
def scatter(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int, mode: str, validate_indices: bool = False
) -> Tensor:
    axis %= data.ndim
    positions = _positions(indices, data.shape[axis], validate_indices).reshape(-1)
    flat_updates = updates.flatten(axis, axis + indices.ndim - 1) if indices.ndim else updates.unsqueeze(axis)
    shape = [-1 if dimension == axis else 1 for dimension in range(data.ndim)]
    return _scatter(data, positions.reshape(shape).expand_as(flat_updates), flat_updates, axis, mode)


@register("scatter_along_axis")
def scatter_along_axis(
    data: Tensor, indices: Tensor, updates: Tensor, axis: int, mode: str, validate_indices: bool = False
) -> Tensor:
    return _scatter(data, _positions(indices, data.shape[axis], validate_indices), updates, axis, mode)


@register("scatter_nd")
def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, mode: str, validate_indices: bool = False) -> Tensor:
    depth = indices.shape[-1]
    rows = data.reshape(-1, *data.shape[depth:])
    row = torch.zeros(indices.shape[:-1], dtype=torch.long)
    for coordinate, size in zip(_coordinates(indices, data, validate_indices), data.shape, strict=False):
        row = row * size + coordinate
    flat_updates = updates.reshape(-1, *data.shape[depth:])
    index = row.reshape((-1,) + (1,) * (rows.ndim - 1)).expand_as(flat_updates)
    return _scatter(rows, index, flat_updates, 0, mode).reshape(data.shape)


def _scatter(data: Tensor, index: Tensor, updates: Tensor, axis: int, mode: str) -> Tensor:
    """torch.scatter with MIL's modes; where an index repeats, 'update' keeps one of the values."""
    if mode == "update":
        return data.scatter(axis, index, updates)
    if mode in ("add", "sub"):
        return data.scatter_add(axis, index, updates if mode == "add" else -updates)
    if mode == "div":
        divisor = torch.ones_like(data).scatter_reduce(axis, index, updates, "prod")
        return data / divisor
    return data.scatter_reduce(axis, index, updates, {"mul": "prod", "max": "amax", "min": "amin"}[mode])


def _positions(indices: Tensor, size: int, validate: bool) -> Tensor:
    """Indices as torch wants them: 64-bit and counted from the start."""
    indices = indices.long()
    if validate and bool(((indices < 0) | (indices >= size)).any()):
        raise InputError(f"An index is outside 0..{size - 1}, which the program asks to be refused.")
    return torch.where(indices < 0, indices + size, indices)


def _coordinates(indices: Tensor, x: Tensor, validate: bool) -> tuple[Tensor, ...]:
    return tuple(_positions(part, size, validate) for part, size in zip(indices.unbind(-1), x.shape, strict=False))


def _window(
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None,
    begin_mask: list[bool] | None,
    end_mask: list[bool] | None,
    squeeze_mask: list[bool] | None,
) -> tuple[tuple[slice, ...], list[int]]:
    """Forward slices, and the axes along which what they cut must be reversed."""
    window, reversed_axes = [], []
    for axis, size in enumerate(x.shape):
        if squeeze_mask is not None and squeeze_mask[axis]:
            position = range(size)[begin[axis]]
            window.append(slice(position, position + 1))
            continue
        first = None if begin_mask is not None and begin_mask[axis] else begin[axis]
        last = None if end_mask is not None and end_mask[axis] else end[axis]
        positions = range(size)[first : last : stride[axis] if stride is not None else 1]
        if positions.step < 0:
            positions = positions[::-1]
            reversed_axes.append(axis)
        window.append(slice(positions.start, max(positions.stop, positions.start), positions.step))
    return tuple(window), reversed_axes
