"""What every runtime offers: the four programs by name, on numpy arrays, and what memory they take."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.config import ModelConfig
from models.contract import ProgramSpec, program_contract
from models.errors import InputError


@dataclass(frozen=True)
class ProgramMemory:
    """Bytes that one program takes, apart from what the runtime itself needs.

    artifact: its file or package (a file that several programs share counts for each). activations: values alive
    at once within a frame, and how that is known: `planned` by the artifact, or `estimated` from when its tensors
    live. inputs, outputs: the tensors at its border.
    """

    artifact: int
    activations: int
    activations_are: Literal["planned", "estimated"]
    inputs: int
    outputs: int


class Backend(ABC):
    """One runtime with a model's four programs loaded into it.

    target: the runtime's name. runtime: what really executes, in words. config: the model's. io_dtype: of the
    arrays that the artifact itself takes; `run` converts, and a bank of such arrays is what the phone holds.
    """

    target: str
    runtime: str

    def __init__(self, config: ModelConfig, io_dtype: str = "float32") -> None:
        self.config = config
        self.io_dtype = np.dtype(io_dtype)
        self.contract: Mapping[str, ProgramSpec] = program_contract(config)

    def run(self, program: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a program on the contract's inputs (others are ignored) and returns its outputs by name, in the
        artifact's own dtype."""
        spec = self.contract[program]
        inputs = {}
        for tensor in spec.inputs:
            value = np.ascontiguousarray(tensors[tensor.name], self.io_dtype)
            if value.shape != tensor.shape:
                raise ValueError(f"{program}.{tensor.name} is {value.shape}; it must be {tensor.shape}")
            inputs[tensor.name] = value
        return self.execute(program, inputs)

    @abstractmethod
    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a program on exactly its inputs, in the contract's order and the artifact's dtype."""

    def memory(self) -> Mapping[str, ProgramMemory]:
        """Bytes by program. A backend without an artifact has none to tell."""
        return {}

    def border_bytes(self, program: str) -> tuple[int, int]:
        """Bytes of a program's inputs and of its outputs."""
        spec = self.contract[program]
        size = self.io_dtype.itemsize
        inputs, outputs = (sum(int(np.prod(t.shape)) for t in side) * size for side in (spec.inputs, spec.outputs))
        return inputs, outputs


def check_shapes(
    source: str, spec: ProgramSpec, preset: str, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]
) -> None:
    """Compares an artifact's own shapes with the contract's, in the contract's order.

    Raises InputError, naming the artifact as `source`, where it belongs to another preset.
    """
    for side, shapes, wanted in (("input", inputs, spec.inputs), ("output", outputs, spec.outputs)):
        if len(shapes) != len(wanted):
            raise InputError(
                f"{source}: {spec.name} has {len(shapes)} {side}s; preset {preset} has {len(wanted)}; convert again"
            )
        for shape, tensor in zip(shapes, wanted, strict=True):
            if tuple(shape) != tensor.shape:
                raise InputError(
                    f"{source} belongs to another preset: {spec.name}'s {tensor.name} is {list(shape)}, "
                    f"and {preset} has {list(tensor.shape)}"
                )
