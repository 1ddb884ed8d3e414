"""Core ML: Apple's runtime on macOS; elsewhere the MIL interpreter, which shows what a package means."""

import platform
from collections.abc import Mapping
from pathlib import Path

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
from tinysam2.mobile_runtime.mil import MILProgram

RUNTIMES = {"apple": "Core ML's MLModel", "interpreter": "MIL interpreter, not Apple's runtime"}
"""What can execute a package, and how a report names it."""


class CoreMLBackend(Backend):
    """Runs the `.mlpackage`s that a card names, in a folder.

    runtime: "apple" runs `MLModel.predict`, on macOS only; "interpreter" the MIL interpreter, which rounds as the
    packages' types say and is no measure of Apple's runtime. Without a choice it is Apple's where there is one.

    Raises InputError where a package is corrupt or belongs to another preset, or the runtime is not here.
    """

    target = "coreml"

    def __init__(self, folder: Path, card: ArtifactCard, runtime: str | None = None) -> None:
        super().__init__(card.config, card.io_dtype)
        chosen = _checked_runtime(runtime)
        self.runtime = RUNTIMES[chosen]
        self.paths = {program: folder / file for program, file in card.files.items()}
        self.interpreted = {}
        for name, path in self.paths.items():
            program = MILProgram.load(path)
            spec = self.contract[name]
            # Each program's tensors carry the contract's names, so order does not matter here.
            shapes = [
                [tensors[t.name].shape if t.name in tensors else () for t in wanted]
                for tensors, wanted in ((program.inputs, spec.inputs), (program.outputs, spec.outputs))
            ]
            check_shapes(str(path), spec, self.config.name, *shapes)
            self.interpreted[name] = program
        self.compiled = _compile(self.paths) if chosen == "apple" else None

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        run = self.interpreted[program].run if self.compiled is None else self.compiled[program]
        outputs = run(**inputs)
        return {name: np.asarray(outputs[name], self.io_dtype) for name in self.contract[program].output_names}

    def memory(self) -> ModelMemory:
        programs = {name: (program.weight_bytes, _estimated(program)) for name, program in self.interpreted.items()}
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


def _estimated(program: MILProgram) -> Peak:
    peak = program.peak_activation()
    tensors = tuple(TensorBytes(name, size) for name, size in peak.tensors[:PEAK_TENSORS])
    return Peak(peak.bytes, "estimated", peak.operation or FIRST_OPERATION, tensors)


def _compile(paths: Mapping[str, Path]):
    """Apple's runtime for each package, as functions of named arrays."""
    models = {name: ct.models.MLModel(str(path)) for name, path in paths.items()}
    return {name: lambda model=model, **inputs: model.predict(inputs) for name, model in models.items()}


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return CoreMLBackend(folder, card)
