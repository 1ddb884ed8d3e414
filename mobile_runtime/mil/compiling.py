"""Turns a Graph into steps with constants and attributes resolved, so that a run only loops over them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.graph import ELEMENT_BITS, Graph, Operation, TensorType
from tinysam2.mobile_runtime.mil.operations import KERNELS, Kernel, StateBuffer
from tinysam2.mobile_runtime.mil.operations.registry import unchanged

STORAGES = ("declared", "float32")

INT8_WEIGHT = "constexpr_affine_dequantize"

_CARRIERS = {
    "bool": torch.bool,
    "float16": torch.float32,
    "float32": torch.float32,
    "int4": torch.int8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint1": torch.uint8,
    "uint2": torch.uint8,
    "uint3": torch.uint8,
    "uint4": torch.uint8,
    "uint6": torch.uint8,
    "uint8": torch.uint8,
    # torch computes little with unsigned integers wider than a byte: carry them in the next signed type.
    "uint16": torch.int32,
    "uint32": torch.int64,
}


@dataclass(frozen=True)
class Carrier:
    """How a value of a declared type is held: the torch element type, and whether it is rounded to fp16."""

    dtype: torch.dtype
    to_half: bool
    shape: tuple[int, ...] | None

    def hold(self, result: Tensor) -> Tensor:
        if result.dtype is not self.dtype:
            result = result.to(self.dtype)
        return result.half().float() if self.to_half else result


@dataclass(frozen=True)
class Step:
    """One operation ready to run: its kernel with constants bound, and where other arguments come from."""

    operation: Operation
    compute: Callable[..., Any]
    sources: tuple[tuple[str, str | tuple[str, ...], Callable[[Any], Any] | None], ...]
    carriers: tuple[Carrier, ...]
    dead: tuple[str, ...]

    def run(self, values: dict[str, Any]) -> None:
        """Compute the outputs from the values and put them there."""
        arguments = {}
        for parameter, source, convert in self.sources:
            argument = values[source] if source.__class__ is str else [values[name] for name in source]
            arguments[parameter] = argument if convert is None else convert(argument)
        try:
            results = self.compute(**arguments)
        except InputError:
            raise
        except Exception as error:
            raise RuntimeError(f"{self.operation.type} '{self.operation.name}' failed: {error}") from error
        if results.__class__ is Tensor:
            results = (results,)
        for name, carrier, result in zip(self.operation.outputs, self.carriers, results, strict=True):
            if carrier.shape is not None and result.shape != carrier.shape:
                raise RuntimeError(
                    f"{self.operation.type} '{self.operation.name}' gave the shape {tuple(result.shape)}; "
                    f"the program declares {tuple(carrier.shape)}."
                )
            values[name] = carrier.hold(result)


@dataclass(frozen=True)
class Plan:
    """A compiled graph: steps in order, values that stand before the first one, and how inputs are held."""

    steps: list[Step]
    resident: dict[str, Any]
    inputs: dict[str, Carrier]
    states: dict[str, StateBuffer]


def compile_graph(graph: Graph, storage: str) -> Plan:
    """Evaluate what is constant, bind attributes, and plan when each value can be freed.

    Raises InputError for operations, or inputs of operations, the interpreter does not know.
    """
    _require_known_types(graph)
    states = {name: StateBuffer(zero_state(state_type)) for name, state_type in graph.states.items()}
    # Only tensors have a type; the other constants are strings.
    constants = {
        name: to_tensor(value, graph.types[name]) if name in graph.types else value
        for name, value in graph.constants.items()
    }
    last_use = {name: index for index, op in enumerate(graph.operations) for name in op.input_names}
    dead: dict[int, list[str]] = {}
    for name, index in last_use.items():
        if name not in graph.outputs and name not in states:
            dead.setdefault(index, []).append(name)

    rounds_activations = any(operation.type == "quantize" for operation in graph.operations)
    steps: list[Step] = []
    resident: dict[str, Any] = {}
    for index, operation in enumerate(graph.operations):
        carriers = tuple(
            _carrier(graph.types[name], storage, KERNELS[operation.type].rounds) for name in operation.outputs
        )
        step = _step(operation, constants, carriers)
        if not step.sources:
            step.run(constants)
            if rounds_activations and operation.type == INT8_WEIGHT:
                # Products of int8 are summed exactly in fp64, as kernels sum them in int32; fp32 would now and then
                # turn a value that lies between two integers.
                constants.update((name, constants[name].double()) for name in operation.outputs)
            continue
        names = [name for name in dead.get(index, ()) if name not in constants]
        names += [name for name in operation.outputs if name not in last_use and name not in graph.outputs]
        resident.update((name, constants[name]) for name in _named(step) if name in constants)
        steps.append(Step(operation, step.compute, step.sources, carriers, tuple(names)))
    resident.update((name, constants[name]) for name in graph.outputs if name in constants)
    resident.update(states)
    inputs = {name: _carrier(tensor_type, storage, True) for name, tensor_type in graph.inputs.items()}
    return Plan(steps, resident, inputs, states)


def to_tensor(array: Any, tensor_type: TensorType) -> Tensor:
    """A tensor that owns its memory, held as a value of the type is held."""
    return torch.from_numpy(np.array(array)).to(_CARRIERS[tensor_type.dtype])


def to_array(tensor: Tensor, tensor_type: TensorType) -> np.ndarray:
    """A numpy array that owns its memory, of the declared element type."""
    return tensor.numpy().astype(numpy_dtype(tensor_type.dtype), copy=True, order="C")


def numpy_dtype(name: str) -> np.dtype:
    """The numpy element type of a MIL one; sub-byte integers take a byte."""
    if ELEMENT_BITS[name] < 8:
        name = name.rstrip("0123456789") + "8"
    return np.dtype(name)


def zero_state(state_type: TensorType) -> Tensor:
    """The content a state starts with."""
    return torch.zeros(state_type.static_shape, dtype=_CARRIERS[state_type.dtype])


def _carrier(tensor_type: TensorType, storage: str, rounds: bool) -> Carrier:
    return Carrier(
        dtype=_CARRIERS[tensor_type.dtype],
        to_half=rounds and storage == "declared" and tensor_type.dtype == "float16",
        shape=torch.Size(tensor_type.static_shape) if tensor_type.is_static else None,
    )


def _step(operation: Operation, constants: dict[str, Any], carriers: tuple[Carrier, ...]) -> Step:
    kernel = KERNELS[operation.type]
    _require_known_inputs(operation, kernel)
    bound, sources = {}, []
    for parameter, source in operation.inputs.items():
        convert = kernel.converters[parameter]
        names = (source,) if isinstance(source, str) else source
        if all(name in constants for name in names):
            found = [constants[name] for name in names]
            bound[parameter] = convert(found[0] if isinstance(source, str) else found)
        else:
            takes_tensor = isinstance(source, tuple) or convert is unchanged
            sources.append((parameter, source, None if takes_tensor else convert))
    return Step(operation, partial(kernel.function, **bound), tuple(sources), carriers, ())


def _named(step: Step) -> list[str]:
    return [name for _, source, _ in step.sources for name in ((source,) if isinstance(source, str) else source)]


def _require_known_types(graph: Graph) -> None:
    unknown = sorted({operation.type for operation in graph.operations} - KERNELS.keys())
    if unknown:
        raise InputError(f"The program uses operations the interpreter does not know: {', '.join(unknown)}.")


def _require_known_inputs(operation: Operation, kernel: Kernel) -> None:
    unknown = sorted(operation.inputs.keys() - kernel.converters.keys())
    if unknown:
        raise InputError(
            f"{operation.type} '{operation.name}' has inputs the interpreter does not know: {', '.join(unknown)}."
        )
    missing = sorted(kernel.converters.keys() - kernel.optional - operation.inputs.keys())
    if missing:
        raise InputError(f"{operation.type} '{operation.name}' lacks its inputs {', '.join(missing)}.")
