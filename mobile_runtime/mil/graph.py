"""A MIL function as plain data: what loading produces, and what compiling and memory accounting read."""

import math
from dataclasses import dataclass, field
from typing import Any

from tinysam2.core.errors import InputError

# How Core ML stores an element. Types below one byte exist only as packed constants.
ELEMENT_BITS = {
    "bool": 8,
    "float16": 16,
    "float32": 32,
    "int4": 4,
    "int8": 8,
    "int16": 16,
    "int32": 32,
    "int64": 64,
    "uint1": 1,
    "uint2": 2,
    "uint3": 3,
    "uint4": 4,
    "uint6": 6,
    "uint8": 8,
    "uint16": 16,
    "uint32": 32,
}


@dataclass(frozen=True)
class TensorType:
    """Shape and element type of a value; a dimension known only at run time is None."""

    shape: tuple[int | None, ...]
    dtype: str

    @property
    def is_static(self) -> bool:
        return None not in self.shape

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape of a static tensor. Raises InputError where a dimension is known only at run time."""
        sizes = tuple(size for size in self.shape if size is not None)
        if len(sizes) != len(self.shape):
            raise InputError(f"a tensor is {self}: a size is known only at run time; convert again with fixed shapes")
        return sizes

    @property
    def bytes(self) -> int:
        """Size in bytes of one static tensor of this type, sub-byte elements packed."""
        return math.ceil(math.prod(self.static_shape) * ELEMENT_BITS[self.dtype] / 8)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class Operation:
    """One MIL operation; inputs and outputs are value names, a variadic input is a tuple of them."""

    type: str
    name: str
    inputs: dict[str, str | tuple[str, ...]]
    outputs: tuple[str, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Every value the operation reads, variadic inputs flattened."""
        names: list[str] = []
        for source in self.inputs.values():
            names.extend((source,) if isinstance(source, str) else source)
        return tuple(names)


@dataclass
class Graph:
    """One MIL function: operations in program order, constants by name, and the type of every value."""

    inputs: dict[str, TensorType]
    states: dict[str, TensorType]
    outputs: tuple[str, ...]
    operations: list[Operation]
    types: dict[str, TensorType]
    constants: dict[str, Any] = field(repr=False)
    weight_bytes: int = 0
