"""Describes a coremltools MIL function as a Graph."""

from collections.abc import Collection
from typing import Any

import numpy as np

from tinysam2.mobile_runtime.mil.graph import Graph, Operation, TensorType


def graph_from_mil(function: Any) -> Graph:
    """Describe a coremltools MIL function as a Graph, names and program order kept."""
    from coremltools.converters.mil.mil import types as mil_types

    names = _Names()
    inputs, states, types = {}, {}, {}
    for variable in function.inputs.values():
        name = names.of(variable)
        if mil_types.is_state(variable.sym_type):
            wrapped = variable.sym_type.wrapped_type()
            states[name] = tensor_type(wrapped.get_shape(), wrapped.get_primitive())
        else:
            inputs[name] = types[name] = tensor_type(variable.shape, variable.dtype)

    computed = [operation for operation in function.operations if operation.op_type != "const"]
    for operation in computed:
        for variable in operation.outputs:
            types[names.of(variable)] = tensor_type(variable.shape, variable.dtype)

    constants: dict[str, Any] = {}
    weight_bytes = 0
    for operation in function.operations:
        if operation.op_type != "const":
            continue
        (variable,) = operation.outputs
        name, value = names.of(variable), variable.val
        if variable.dtype == mil_types.str:
            constants[name] = str(value)
        else:
            types[name] = tensor_type(variable.shape, variable.dtype)
            constants[name] = _whole_byte_array(value)
            weight_bytes += types[name].bytes

    operations = [
        Operation(
            type=operation.op_type,
            name=operation.name,
            inputs={
                parameter: names.of_source(source)
                for parameter, source in operation.inputs.items()
                if source is not None
            },
            outputs=tuple(names.of(variable) for variable in operation.outputs),
        )
        for operation in computed
    ]
    outputs = tuple(names.of(variable) for variable in function.outputs)
    return Graph(inputs, states, outputs, operations, types, constants, weight_bytes)


def tensor_type(shape: Collection[Any], dtype: Any) -> TensorType:
    """A MIL shape and element type; a symbolic dimension becomes None."""
    from coremltools.converters.mil.mil import types as mil_types

    name = mil_types.builtin_to_string(dtype)
    name = {"fp16": "float16", "fp32": "float32"}.get(name, name)
    sizes = tuple(int(size) if isinstance(size, int | float | np.number) else None for size in shape)
    return TensorType(sizes, name)


class _Names:
    """One name for each variable.

    coremltools names the defaults that it fills in, and may repeat a name of the package: values are told
    apart by the variable, and the later one gets a suffix.
    """

    def __init__(self) -> None:
        # The variable is kept beside its name, so that its id stays its own.
        self._named: dict[int, tuple[Any, str]] = {}
        self._taken: set[str] = set()

    def of(self, variable: Any) -> str:
        if id(variable) not in self._named:
            name, copies = variable.name, 1
            while name in self._taken:
                copies += 1
                name = f"{variable.name}#{copies}"
            self._taken.add(name)
            self._named[id(variable)] = (variable, name)
        return self._named[id(variable)][1]

    def of_source(self, source: Any) -> str | tuple[str, ...]:
        if isinstance(source, list | tuple):
            return tuple(self.of(variable) for variable in source)
        return self.of(source)


def _whole_byte_array(constant: Any) -> np.ndarray:
    """numpy has no sub-byte types; coremltools marks int4, uint1 and the like in the dtype's metadata."""
    array = np.asarray(constant)
    if array.dtype.metadata:
        return array.astype(np.dtype(array.dtype.str))
    return array
