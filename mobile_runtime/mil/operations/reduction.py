"""Reductions over axes (MIL iOS15 and iOS17 reduction operations)."""

from collections.abc import Callable

import torch
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import register


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    # torch has no integer mean; the executor truncates the result to the declared integer type.
    return (x if x.is_floating_point() else x.double()).mean(axes, keepdim=keep)


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in axes:
        x = x.prod(axis, keepdim=True)
    return x if keep else x.squeeze(axes)


_ROUNDING: dict[str, Callable[[Tensor, list[int], bool], Tensor]] = {
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "reduce_l2_norm": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "reduce_log_sum_exp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
    "reduce_mean": _mean,
    "reduce_prod": _product,
    "reduce_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
}

_EXACT: dict[str, Callable[[Tensor, list[int], bool], Tensor]] = {
    "reduce_max": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "reduce_min": lambda x, axes, keep: x.amin(axes, keepdim=keep),
}


def _register_reduction(
    operation_type: str, function: Callable[[Tensor, list[int], bool], Tensor], rounds: bool
) -> None:
    @register(operation_type, rounds=rounds)
    def kernel(x: Tensor, keep_dims: bool, axes: list[int] | None = None) -> Tensor:
        axes = [axis % x.ndim for axis in axes] if axes is not None else list(range(x.ndim))
        return function(x, axes, keep_dims)


for _table, _rounds in ((_ROUNDING, True), (_EXACT, False)):
    for _type, _function in _table.items():
        _register_reduction(_type, _function, _rounds)


@register("reduce_argmax")
def reduce_argmax(x: Tensor, axis: int, keep_dims: bool, output_dtype: str = "int32") -> Tensor:
    return x.argmax(axis, keepdim=keep_dims)


@register("reduce_argmin")
def reduce_argmin(x: Tensor, axis: int, keep_dims: bool, output_dtype: str = "int32") -> Tensor:
    return x.argmin(axis, keepdim=keep_dims)
