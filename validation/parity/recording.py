"""What a backend was asked and what it answered, kept for replay on another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinysam2.mobile_runtime.backend import Backend

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a program: its inputs and outputs by name. near: other outputs that it almost had (`ties`)."""

    program: str
    inputs: Tensors
    outputs: Tensors
    near: tuple[Tensors, ...] = ()


class RecordingBackend(Backend):
    """Passes every call on to another backend and remembers it until `take` is called."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.config, backend.io_dtype.name)
        self.target, self.runtime = backend.target, backend.runtime
        self.backend = backend
        self._calls: list[Call] = []

    def execute(self, program: str, inputs: Tensors) -> dict[str, np.ndarray]:
        outputs = self.backend.execute(program, inputs)
        self._calls.append(Call(program, inputs, outputs))
        return outputs

    def take(self) -> list[Call]:
        """The calls since the last time, which are then forgotten."""
        calls, self._calls = self._calls, []
        return calls
