"""Arithmetic, comparison, logic and casts, element by element (MIL iOS15 and iOS17)."""

from collections.abc import Callable

import torch
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import register

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "logical_not": torch.logical_not,
    "round": torch.round,  # to even at .5, as numpy.round in coremltools
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "equal": torch.eq,
    "floor_div": torch.floor_divide,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "mod": torch.remainder,
    "mul": torch.mul,
    "not_equal": torch.ne,
    "pow": torch.pow,
    "real_div": torch.true_divide,
    "sub": torch.sub,
}

_EXACT_UNARY = {"abs": torch.abs}
_EXACT_BINARY = {"maximum": torch.maximum, "minimum": torch.minimum}

_TORCH_TYPES = {
    "bool": torch.bool,
    "fp16": torch.float32,  # fp16 values are carried in fp32 and rounded by the executor
    "fp32": torch.float32,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "uint8": torch.uint8,
    "uint16": torch.int32,  # torch has no uint16 arithmetic
}


def _register_unary(operation_type: str, function: Callable[[Tensor], Tensor], rounds: bool) -> None:
    @register(operation_type, rounds=rounds)
    def kernel(x: Tensor) -> Tensor:
        return function(x)


def _register_binary(operation_type: str, function: Callable[[Tensor, Tensor], Tensor], rounds: bool) -> None:
    @register(operation_type, rounds=rounds)
    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)


for _table, _rounds in ((_UNARY, True), (_EXACT_UNARY, False)):
    for _type, _function in _table.items():
        _register_unary(_type, _function, _rounds)
for _binary_table, _rounds in ((_BINARY, True), (_EXACT_BINARY, False)):
    for _type, _binary in _binary_table.items():
        _register_binary(_type, _binary, _rounds)


@register("identity", rounds=False)
def identity(x: Tensor) -> Tensor:
    return x


@register("cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    return x.to(_TORCH_TYPES[dtype])


@register("clip", rounds=False)
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    return x.clamp(alpha, beta)


@register("threshold", rounds=False)
def threshold(x: Tensor, alpha: float) -> Tensor:
    return x.clamp(min=alpha)


@register("inverse")
def inverse(x: Tensor, epsilon: float) -> Tensor:
    return (x + epsilon).reciprocal()


@register("log")
def log(x: Tensor, epsilon: float) -> Tensor:
    return (x + epsilon).log()


@register("rsqrt")
def rsqrt(x: Tensor, epsilon: float) -> Tensor:
    return (x + epsilon).rsqrt()


@register("select", rounds=False)
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond.bool(), a, b)
