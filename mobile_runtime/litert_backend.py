"""LiteRT: the signatures of a `.tflite`, run by its interpreter."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.backend import Backend, check_shapes
from tinysam2.mobile_runtime.layout import Layouts, contiguous_layouts
from tinysam2.mobile_runtime.memory.accounting import ModelMemory, account
from tinysam2.mobile_runtime.memory.tflite import read_tflite_memory


class LiteRTBackend(Backend):
    """Runs the artifact that a card names, in a folder, on one thread.

    Raises InputError where the file is corrupt or belongs to another preset.
    """

    target = "tflite"
    runtime = "LiteRT with XNNPACK, on this processor"

    def __init__(self, folder: Path, card: ArtifactCard) -> None:
        super().__init__(card.config, card.io_dtype, partial(LiteRTBackend, folder, card))
        self.paths = {program: folder / file for program, file in card.files.items()}
        self.graphs = {path: read_tflite_memory(path, self.contract) for path in set(self.paths.values())}
        # One a file: each packs the weights of all signatures, whichever of them it runs.
        self.interpreters = {path: _load(path) for path in self.graphs}
        self.runners = {name: self._runner(name, path) for name, path in self.paths.items()}

    def _runner(self, name: str, path: Path):
        try:
            runner = self.interpreters[path].get_signature_runner(name)
        except ValueError as error:
            raise InputError(f"{path} is not a readable .tflite file with a signature {name}; convert again") from error
        spec = self.contract[name]
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if set(inputs) != set(spec.input_names) or set(outputs) != set(_output_names(spec)):
            raise InputError(f"{path}: {name} does not have the inputs and outputs of preset {self.config.name}")
        check_shapes(
            str(path),
            spec,
            self.config.name,
            [tuple(inputs[tensor]["shape"]) for tensor in spec.input_names],
            [tuple(outputs[tensor]["shape"]) for tensor in _output_names(spec)],
        )
        return runner

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        spec = self.contract[program]
        outputs = self.runners[program](**inputs)
        return dict(zip(spec.output_names, (outputs[name] for name in _output_names(spec)), strict=True))

    def memory(self) -> ModelMemory:
        return account(
            self.config,
            self.io_dtype.itemsize,
            sum(graph.weights for graph in self.graphs.values()),
            {name: self.graphs[path].signatures[name] for name, path in self.paths.items()},
            # An interpreter holds its arena from when its tensors are allocated.
            arenas_stay=True,
        )

    def layouts(self) -> Layouts:
        # A tensor of this format has a shape and no strides.
        return contiguous_layouts(self.contract)


def _load(path: Path) -> Interpreter:
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        # Here rather than in the first run, where the delegate's announcement would reach the terminal.
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not a readable .tflite file; it is corrupt or cut short, convert again") from error
    return interpreter


def _output_names(spec) -> list[str]:
    """The converter's names of a program's outputs, in order."""
    return [f"output_{i}" for i in range(len(spec.outputs))]


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return LiteRTBackend(folder, card)
