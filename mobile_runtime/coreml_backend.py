"""Core ML: Apple's runtime on macOS; elsewhere the MIL interpreter, which shows what a package means."""

import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mobile_runtime.backend import Backend, ProgramMemory, check_shapes
from mobile_runtime.mil import MILProgram
from models.artifacts import ArtifactCard
from models.files import bytes_in


class CoreMLBackend(Backend):
    """Runs the `.mlpackage`s that a card names, in a folder.

    On macOS by `MLModel.predict`. Elsewhere in the MIL interpreter, which rounds as the packages' types say and is
    no measure of Apple's runtime. Raises InputError where a package is corrupt or belongs to another preset.
    """

    target = "coreml"

    def __init__(self, folder: Path, card: ArtifactCard) -> None:
        super().__init__(card.config, card.io_dtype)
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
        on_macos = platform.system() == "Darwin"
        self.compiled = _compile(self.paths) if on_macos else None
        self.runtime = "Core ML's MLModel" if on_macos else "MIL interpreter, not Apple's runtime"

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        run = self.interpreted[program].run if self.compiled is None else self.compiled[program]
        outputs = run(**inputs)
        return {name: np.asarray(outputs[name], self.io_dtype) for name in self.contract[program].output_names}

    def memory(self) -> Mapping[str, ProgramMemory]:
        return {
            name: ProgramMemory(
                bytes_in(path),
                self.interpreted[name].peak_activation().bytes,
                "estimated",
                *self.border_bytes(name),
            )
            for name, path in self.paths.items()
        }


def _compile(paths: Mapping[str, Path]):
    """Apple's runtime for each package, as functions of named arrays."""
    import coremltools as ct

    models = {name: ct.models.MLModel(str(path)) for name, path in paths.items()}
    return {name: lambda model=model, **inputs: model.predict(inputs) for name, model in models.items()}


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return CoreMLBackend(folder, card)
