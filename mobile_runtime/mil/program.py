"""MILProgram: load a Core ML package and run it on the CPU."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.compiling import (
    STORAGES,
    Plan,
    compile_graph,
    numpy_dtype,
    to_array,
    to_tensor,
)
from tinysam2.mobile_runtime.mil.graph import Graph, Operation, TensorType
from tinysam2.mobile_runtime.mil.liveness import PeakActivation, peak_activation
from tinysam2.mobile_runtime.mil.loading import load_graph
from tinysam2.mobile_runtime.parsing import parsed


class MILProgram:
    """One function of an ML Program, executed operation by operation with torch CPU kernels in fp32; where it rounds
    activations to int8, products with int8 weights are summed in fp64.

    It shows what the program means; Apple's accumulation order, tie order and fp16 arithmetic are not known.

    storage: "declared" rounds each value that the program types as fp16 to fp16 once it is computed, so that
        results carry the error that fp16 storage brings; "float32" ignores fp16 types and rounds only
        outputs, so that what remains against the source model is the conversion's own error.
    """

    def __init__(self, graph: Graph, storage: str = "declared"):
        _require_known_storage(storage)
        self.storage = storage
        self._graph = graph
        self._plan: Plan = _compile(graph, storage)
        # The raw weights now live in the plan's steps, in the form the kernels use.
        graph.constants = dict.fromkeys(graph.constants)

    @classmethod
    def load(cls, path: str | Path, function: str | None = None, storage: str = "declared") -> "MILProgram":
        """Load one function of a .mlpackage; of several, the package's default unless one is named.

        Raises InputError when the package is missing, damaged, not an ML Program, or uses unknown operations.
        """
        _require_known_storage(storage)  # before the file is read, not after
        graph = load_graph(path, function)
        with parsed(Path(path), ".mlpackage"):
            return cls(graph, storage)

    @property
    def inputs(self) -> dict[str, TensorType]:
        """Shape and element type of each input, in the package's order."""
        return dict(self._graph.inputs)

    @property
    def outputs(self) -> dict[str, TensorType]:
        """Shape and element type of each output, in the package's order."""
        return {name: self._graph.types[name] for name in self._graph.outputs}

    @property
    def operations(self) -> list[Operation]:
        """Every operation but the constants, in program order."""
        return list(self._graph.operations)

    @property
    def weight_bytes(self) -> int:
        """Bytes of the constants as the package stores them; an int8 weight counts one byte an element."""
        return self._graph.weight_bytes

    def peak_activation(self) -> PeakActivation:
        """The most activation memory that computing in program order needs."""
        return peak_activation(self._graph)

    def run(self, /, **inputs: Any) -> dict[str, np.ndarray]:
        """Compute the outputs from arrays given by input name.

        Raises InputError for a missing or unknown input, a wrong shape, or elements that do not cast.
        """
        values = self._run(inputs, keep=False)
        return {name: to_array(values[name], self._graph.types[name]) for name in self._graph.outputs}

    def run_with_intermediates(self, /, **inputs: Any) -> dict[str, np.ndarray]:
        """As run, but with every value that an operation computes, by name and in program order."""
        values = self._run(inputs, keep=True)
        names = [name for step in self._plan.steps for name in step.operation.outputs]
        names += [name for name in self._graph.outputs if name not in names]
        return {name: to_array(values[name], self._graph.types[name]) for name in names}

    @torch.inference_mode()
    def _run(self, inputs: Mapping[str, Any], keep: bool) -> dict[str, Any]:
        values = dict(self._plan.resident)
        self._require_input_names(inputs)
        for name, carrier in self._plan.inputs.items():
            tensor_type = self._graph.inputs[name]
            values[name] = carrier.hold(to_tensor(_checked(name, inputs[name], tensor_type), tensor_type))
        for step in self._plan.steps:
            step.run(values)
            if not keep:
                for name in step.dead:
                    del values[name]
        return values

    def _require_input_names(self, inputs: Mapping[str, Any]) -> None:
        expected = ", ".join(self._graph.inputs)
        missing = [name for name in self._graph.inputs if name not in inputs]
        if missing:
            raise InputError(f"The program lacks its input '{missing[0]}'; it takes: {expected}.")
        extra = [name for name in inputs if name not in self._graph.inputs]
        if extra:
            raise InputError(f"The program has no input '{extra[0]}'; it takes: {expected}.")


def _require_known_storage(storage: str) -> None:
    if storage not in STORAGES:
        raise InputError(f"storage is '{storage}'; it must be one of: {', '.join(STORAGES)}.")


@torch.inference_mode()
def _compile(graph: Graph, storage: str) -> Plan:
    return compile_graph(graph, storage)


def _checked(name: str, given: Any, tensor_type: TensorType) -> np.ndarray:
    try:
        array = np.asarray(given)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"Input '{name}' is no array ({error}); it must be {tensor_type}.") from error
    fits = len(array.shape) == len(tensor_type.shape) and all(
        wanted in (None, size) for size, wanted in zip(array.shape, tensor_type.shape, strict=True)
    )
    if not fits:
        raise InputError(f"Input '{name}' has the shape {list(array.shape)}; it must be {tensor_type}.")
    dtype = numpy_dtype(tensor_type.dtype)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise InputError(f"Input '{name}' has elements of type {array.dtype}; it must be {tensor_type}.")
    return array
