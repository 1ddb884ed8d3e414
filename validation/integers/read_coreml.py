"""Convolutions and matrix products of a `.mlpackage`."""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.graph import Graph, Operation
from tinysam2.mobile_runtime.mil.loading import load_graph
from tinysam2.mobile_runtime.parsing import parsed
from tinysam2.validation.integers.products import AS_STORED, AS_STORED_4D, Contents, Product, Rounding, StoredWeight

WEIGHT = {"conv": "weight", "linear": "weight", "matmul": "y"}
"""Operation -> the argument that may be a layer's weight."""

UNREAD = {"conv_transpose", "einsum", "scaled_dot_product_attention", "gru", "lstm", "rnn"}
"""No layer of the model becomes one; counted as nothing they would raise the share of int8."""


def read_contents(path: Path, programs: tuple[str, ...]) -> Contents:
    """All products of a package, which holds the one program named, in its order.

    An activation counts as int8 only where its `quantize` or `dequantize` stands right beside the product, or behind
    the ReLU that does: that is what Core ML fuses into an int8 kernel. Raises InputError where the package cannot be
    read, or multiplies in a way that is not known.
    """
    (program,) = programs
    with parsed(path, ".mlpackage"):
        return Contents(list(_Package(path, program).products()))


class _Package:
    def __init__(self, path: Path, program: str) -> None:
        self.path, self.program = path, program
        self.graph: Graph = load_graph(path, None)
        self.made = {name: operation for operation in self.graph.operations for name in operation.outputs}
        self.readers: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.graph.operations:
            for name in operation.input_names:
                self.readers[name].append(operation)

    def products(self) -> Iterator[Product]:
        for operation in self.graph.operations:
            if operation.type in UNREAD:
                raise InputError(
                    f"{self.path}: {operation.name} is a {operation.type}, which cannot be read; convert again"
                )
            if operation.type in WEIGHT:
                yield self._product(operation)

    def _product(self, operation: Operation) -> Product:
        source, (output,) = self._source(operation, WEIGHT[operation.type]), operation.outputs
        weight, input_qparams = self._weight(operation, source), self._dequantized(self._source(operation, "x"))
        if weight is None and self._dequantized(source) is None:
            input_qparams = None
        followed = [reader.type for reader in self.readers[output]] == ["relu"]
        return Product(
            self.program,
            operation.name,
            math.prod(self.graph.types[output].static_shape) * self._contracted(operation),
            weight,
            input_qparams,
            self._leaving(self.readers[output][0].outputs[0] if followed else output),
            "relu" if followed else "",
        )

    def _contracted(self, operation: Operation) -> int:
        """Multiply-accumulates for one value of the output."""
        shape = self.graph.types[self._source(operation, WEIGHT[operation.type])].static_shape
        if operation.type != "matmul":
            return math.prod(shape[1:])
        return shape[-1 if self._flag(operation, "transpose_y") else -2]

    def _weight(self, operation: Operation, source: str) -> StoredWeight | None:
        scaled = self.made.get(source)
        if scaled is not None and scaled.type != "constexpr_affine_dequantize":
            return None
        values = self.graph.constants.get(source) if scaled is None else self._argument(scaled, "quantized_data")
        if values is None or (operation.type == "matmul" and values.ndim != 2):
            return None
        layout = AS_STORED if values.ndim == 2 else AS_STORED_4D
        if operation.type == "matmul" and not self._flag(operation, "transpose_y"):
            # [I, O]; only what is kept as [O, I] is a layer's weight.
            values = values.T
        if scaled is None:
            return layout.weight(values)
        scale, zero_point = self._argument(scaled, "scale"), self._argument(scaled, "zero_point")
        return layout.weight(
            _signed(values),
            np.atleast_1d(np.asarray(scale, np.float32)),
            np.atleast_1d(_signed(zero_point)),
            int(self._argument(scaled, "axis")),
        )

    def _dequantized(self, name: str) -> Rounding | None:
        made = self.made.get(name)
        return self._rounding(made) if made is not None and made.type == "dequantize" else None

    def _leaving(self, output: str) -> Rounding | None:
        found = {self._rounding(reader) if reader.type == "quantize" else None for reader in self.readers[output]}
        return found.pop() if len(found) == 1 else None

    def _rounding(self, operation: Operation) -> Rounding:
        """As of int8: coremltools writes a zero point of -128 as uint8 with none, which is the same."""
        kept = operation.outputs[0] if operation.type == "quantize" else self._source(operation, "input")
        shift = -128 if self.graph.types[kept].dtype == "uint8" else 0
        zero_point = self._argument(operation, "zero_point")
        return Rounding(
            float(np.float32(self._argument(operation, "scale"))),
            shift + (0 if zero_point is None else int(zero_point)),
        )

    def _argument(self, operation: Operation, name: str) -> Any:
        source = operation.inputs.get(name)
        return self.graph.constants.get(source) if isinstance(source, str) else None

    def _source(self, operation: Operation, name: str) -> str:
        source = operation.inputs.get(name)
        if not isinstance(source, str):
            raise InputError(f"{self.path}: {operation.name} has no single value as its {name}; convert again")
        return source

    def _flag(self, operation: Operation, name: str) -> bool:
        return bool(self._argument(operation, name))


def _signed(values: np.ndarray) -> np.ndarray:
    """As of int8: the converter stores weights as uint8, each 128 higher, with a zero point of 128."""
    values = np.asarray(values)
    return (values.astype(np.int16) - 128).astype(np.int8) if values.dtype == np.uint8 else values
