"""Core ML: Apple's runtime on macOS; elsewhere the MIL interpreter, which shows what a package means."""

import platform
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import coremltools as ct
import numpy as np

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.backend import Backend, check_shapes
from tinysam2.mobile_runtime.memory.accounting import (
    FIRST_OPERATION,
    PEAK_TENSORS,
    ModelMemory,
    Peak,
    TensorBytes,
    account,
)

if TYPE_CHECKING:
    from tinysam2.mobile_runtime.mil import MILProgram

Run = Callable[..., Mapping[str, np.ndarray]]
Shapes = dict[str, tuple[int | None, ...]]

RUNTIMES = {"apple": "Core ML's MLModel", "interpreter": "MIL interpreter, not Apple's runtime"}
"""What can execute a package, and how a report names it."""


class CoreMLBackend(Backend):
    """Runs the `.mlpackage`s that a card names, in a folder.

    runtime: "apple" runs `MLModel.predict`, on macOS only; "interpreter" the MIL interpreter, which rounds as the
    packages' types say and is no measure of Apple's runtime. Without a choice it is Apple's where there is one. Beside
    Apple's runtime the interpreter is loaded by `memory` alone, and let go again.

    Raises InputError where a package is corrupt or belongs to another preset, or the runtime is not here.
    """

    target = "coreml"

    def __init__(self, folder: Path, card: ArtifactCard, runtime: str | None = None) -> None:
        super().__init__(card.config, card.io_dtype, partial(CoreMLBackend, folder, card, runtime))
        chosen = _checked_runtime(runtime)
        self.runtime = RUNTIMES[chosen]
        self.paths = {program: folder / file for program, file in card.files.items()}
        self._interpreted: dict[str, MILProgram] = {}
        self._runs: dict[str, Run] = {}
        for name, path in self.paths.items():
            if chosen == "apple":
                self._check_shapes(name, *_declared(path))
                self._runs[name] = _compiled(path)
            else:
                program = self._interpreted[name] = _interpreted(path)
                types = program.inputs, program.outputs
                self._check_shapes(name, *({tensor: kind.shape for tensor, kind in side.items()} for side in types))
                self._runs[name] = program.run

    def _check_shapes(self, program: str, inputs: Shapes, outputs: Shapes) -> None:
        """inputs, outputs: of the package. Raises InputError where they are not the contract's."""
        spec = self.contract[program]
        # Each program's tensors carry the contract's names, so order does not matter here.
        shapes = [
            [found.get(tensor.name, ()) for tensor in wanted]
            for found, wanted in ((inputs, spec.inputs), (outputs, spec.outputs))
        ]
        check_shapes(str(self.paths[program]), spec, self.config.name, *shapes)

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = self._runs[program](**inputs)
        return {name: np.asarray(outputs[name], self.io_dtype) for name in self.contract[program].output_names}

    def memory(self) -> ModelMemory:
        programs = {}
        for name, path in self.paths.items():
            program = self._interpreted.get(name) or _interpreted(path)
            programs[name] = program.weight_bytes, _estimated(program)
        return account(
            self.config,
            self.io_dtype.itemsize,
            # Each package holds its own weights, those of another program too.
            sum(weights for weights, _ in programs.values()),
            programs,
            arenas_stay=False,
        )


def _checked_runtime(runtime: str | None) -> str:
    on_macos = platform.system() == "Darwin"
    if runtime is None:
        return "apple" if on_macos else "interpreter"
    if runtime not in RUNTIMES:
        raise InputError(f"unknown Core ML runtime '{runtime}'; it must be one of: {', '.join(RUNTIMES)}")
    if runtime == "apple" and not on_macos:
        raise InputError("Apple's Core ML runtime is on macOS only; here packages run with runtime='interpreter'")
    return runtime


def _estimated(program: "MILProgram") -> Peak:
    peak = program.peak_activation()
    tensors = tuple(TensorBytes(name, size) for name, size in peak.tensors[:PEAK_TENSORS])
    return Peak(peak.bytes, "estimated", peak.operation or FIRST_OPERATION, tensors)


def _interpreted(path: Path) -> "MILProgram":
    from tinysam2.mobile_runtime.mil import MILProgram

    return MILProgram.load(path)


def _compiled(path: Path) -> Run:
    """Apple's runtime of a package, as a function of named arrays."""
    try:
        model = ct.models.MLModel(str(path))
    except Exception as error:  # Core ML's own errors come as whatever class the bridge gives them
        raise _unreadable(path, error) from error
    return lambda **inputs: model.predict(inputs)


def _declared(path: Path) -> tuple[Shapes, Shapes]:
    """The shapes of a package's inputs and outputs, read without its weights."""
    try:
        specification = ct.utils.load_spec(str(path))
        function = specification.mlProgram.functions["main"]
        block = function.block_specializations[function.opset]
        inputs = {tensor.name: _shape(tensor.type) for tensor in function.inputs}
        computed = {made.name: _shape(made.type) for operation in block.operations for made in operation.outputs}
    except Exception as error:  # protobuf's and the file system's, and whatever a damaged package brings
        raise _unreadable(path, error) from error
    return inputs, {name: computed[name] for name in block.outputs if name in computed}


def _shape(kind) -> tuple[int | None, ...]:
    """Of a MIL value's type; None for a dimension that is not fixed."""
    return tuple(
        dimension.constant.size if dimension.HasField("constant") else None for dimension in kind.tensorType.dimensions
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return InputError(f"{path} cannot be loaded by Core ML ({first_line}); convert the model again")


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return CoreMLBackend(folder, card)
