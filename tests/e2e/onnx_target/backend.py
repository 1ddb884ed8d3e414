"""ONNX Runtime: a session a program. It tells nothing of the memory that it plans."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.backend import Backend, check_shapes


class OnnxBackend(Backend):
    """Runs the `.onnx` files that a card names, in a folder, on one thread.

    Raises InputError where a file is corrupt or belongs to another preset.
    """

    target = "onnx"
    runtime = "ONNX Runtime, on this processor"

    def __init__(self, folder: Path, card: ArtifactCard) -> None:
        super().__init__(card.config, card.io_dtype)
        self.sessions = {program: _session(folder / file) for program, file in card.files.items()}
        for program, session in self.sessions.items():
            spec = self.contract[program]
            inputs = {tensor.name: tuple(tensor.shape) for tensor in session.get_inputs()}
            outputs = {tensor.name: tuple(tensor.shape) for tensor in session.get_outputs()}
            check_shapes(
                str(folder / card.files[program]),
                spec,
                self.config.name,
                [inputs.get(name, ()) for name in spec.input_names],
                [outputs.get(name, ()) for name in spec.output_names],
            )

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = self.contract[program].output_names
        return dict(zip(names, self.sessions[program].run(list(names), dict(inputs)), strict=True))


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{path} is not a readable .onnx file; it is corrupt or cut short, convert again") from error


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return OnnxBackend(folder, card)
