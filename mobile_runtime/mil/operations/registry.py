"""The registry of kernels: MIL operation type -> a torch function that computes it."""

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class StateBuffer:
    """The tensor that a MIL state holds between runs."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor


@dataclass(frozen=True)
class Kernel:
    """How one operation type is computed.

    function: takes the operation's inputs by their MIL names and returns a tensor, or a tuple of tensors for
        several outputs; the executor casts each to the declared element type.
    converters: parameter -> what turns a constant or a runtime tensor into the argument the function wants.
    optional: parameters an older opset may lack.
    rounds: False for operations whose outputs are values of their inputs, where rounding to fp16 again would
        change nothing.
    """

    function: Callable[..., Any]
    converters: dict[str, Callable[[Any], Any]]
    optional: frozenset[str]
    rounds: bool


KERNELS: dict[str, Kernel] = {}


def register(*operation_types: str, rounds: bool = True) -> Callable[[Callable], Callable]:
    """Enter a function as the kernel of MIL operation types; its annotations say how constants are passed.

    A parameter annotated Tensor gets a tensor; int, float, bool, str and list[...] get Python values.
    """

    def enter(function: Callable) -> Callable:
        hints = typing.get_type_hints(function)
        parameters = inspect.signature(function).parameters
        kernel = Kernel(
            function=function,
            converters={name: _CONVERTERS[_without_none(hints[name])] for name in parameters},
            optional=frozenset(n for n, p in parameters.items() if p.default is not inspect.Parameter.empty),
            rounds=rounds,
        )
        for operation_type in operation_types:
            KERNELS[operation_type] = kernel
        return function

    return enter


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        (hint,) = (member for member in typing.get_args(hint) if member is not type(None))
    return hint


def unchanged(value: Any) -> Any:
    """What a kernel takes as it is: tensors and states."""
    return value


def _scalar(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: kind(value.item() if isinstance(value, Tensor) else value)


def _flat_list(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: [kind(item) for item in torch.as_tensor(value).reshape(-1).tolist()]


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    Tensor: unchanged,
    list[Tensor]: unchanged,
    StateBuffer: unchanged,
    bool: _scalar(bool),
    int: _scalar(int),
    float: _scalar(float),
    str: str,
    list[bool]: _flat_list(bool),
    list[int]: _flat_list(int),
}
