"""What every runtime offers: the four programs by name, on numpy arrays, and what memory they take."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import ProgramSpec, program_contract
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.exclusive import ExclusiveUse
from tinysam2.mobile_runtime.layout import Layouts
from tinysam2.mobile_runtime.memory.accounting import ModelMemory


class Backend(ABC):
    """One runtime with a model's four programs loaded into it.

    target: the runtime's name. runtime: what really executes, in words. config: the model's. io_dtype: of the
    arrays that the artifact itself takes; `run` converts, and a bank of such arrays is what the phone holds.

    Threads: one backend a thread. A backend that runs in two threads at once refuses the second.
    """

    target: str
    runtime: str

    def __init__(
        self, config: ModelConfig, io_dtype: str = "float32", loader: Callable[[], "Backend"] | None = None
    ) -> None:
        self.config = config
        self._loader = loader
        self.io_dtype = np.dtype(io_dtype)
        self.contract: Mapping[str, ProgramSpec] = program_contract(config)
        self._exclusive = ExclusiveUse(
            f"this {type(self).__name__} is running in another thread; load a backend for each thread"
        )

    def run(self, program: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a program on the contract's inputs (others are ignored) and returns its outputs by name, in the
        artifact's own dtype and memory layout.

        Raises InputError where another thread is running this backend.
        """
        spec = self.contract[program]
        inputs = {}
        for tensor in spec.inputs:
            value = np.ascontiguousarray(tensors[tensor.name], self.io_dtype)
            if value.shape != tensor.shape:
                raise ValueError(f"{program}.{tensor.name} is {value.shape}; it must be {tensor.shape}")
            inputs[tensor.name] = value
        with self._exclusive:
            return self.execute(program, inputs)

    @abstractmethod
    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a program on exactly its inputs, in the contract's order and the artifact's dtype."""

    def loader(self) -> Callable[[], "Backend"] | None:
        """What loads another backend of the same programs, in another process too: picklable; None: nothing does."""
        return self._loader

    def memory(self) -> ModelMemory | None:
        """What the artifact tells of its memory; None where there is no artifact."""
        return None

    def layouts(self) -> Layouts | None:
        """How the artifact's inputs and outputs lie in memory; None where the artifact does not tell."""
        return None


def check_shapes(
    source: str,
    spec: ProgramSpec,
    preset: str,
    inputs: Sequence[tuple[int | None, ...]],
    outputs: Sequence[tuple[int | None, ...]],
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
