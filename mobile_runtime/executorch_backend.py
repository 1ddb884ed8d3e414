"""ExecuTorch: the methods of a `.pte`, run by the runtime's Python bindings."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from executorch.extension.pybindings import portable_lib
from executorch.runtime import Runtime, Verification

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.backend import Backend, check_shapes
from tinysam2.mobile_runtime.layout import Layouts
from tinysam2.mobile_runtime.memory.accounting import ModelMemory, account
from tinysam2.mobile_runtime.memory.pte import read_pte_memory
from tinysam2.mobile_runtime.pte_file import read_layouts


class ExecuTorchBackend(Backend):
    """Runs the artifact that a card names, in a folder.

    Raises InputError where the file is corrupt or belongs to another preset.
    """

    target = "executorch"
    runtime = "ExecuTorch with XNNPACK, on this processor"

    def __init__(self, folder: Path, card: ArtifactCard) -> None:
        super().__init__(card.config, card.io_dtype, partial(ExecuTorchBackend, folder, card))
        self.paths = {program: folder / file for program, file in card.files.items()}
        self.plans = {path: read_pte_memory(path, self.contract) for path in set(self.paths.values())}
        # The program must outlive its methods; loaded by path, it keeps its own data.
        self.programs = {path: _load(path) for path in self.plans}
        self.methods = {name: self._load_method(name, path) for name, path in self.paths.items()}
        stated = {path: read_layouts(path, self.contract) for path in self.plans}
        self._layouts = {name: stated[path][name] for name, path in self.paths.items()}

    def _load_method(self, name: str, path: Path):
        program = self.programs[path]
        if name not in program.method_names:
            raise InputError(f"{path} has no method {name}; convert again")
        method = program.load_method(name)
        meta = method.metadata
        check_shapes(
            str(path),
            self.contract[name],
            self.config.name,
            [tuple(meta.input_tensor_meta(i).sizes()) for i in range(meta.num_inputs())],
            [tuple(meta.output_tensor_meta(i).sizes()) for i in range(meta.num_outputs())],
        )
        return method

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = self.methods[program].execute([torch.from_numpy(value) for value in inputs.values()])
        # The method's outputs are views of memory that its next run overwrites; their layout is kept.
        return {
            name: value.numpy().copy(order="K")
            for name, value in zip(self.contract[program].output_names, outputs, strict=True)
        }

    def memory(self) -> ModelMemory:
        return account(
            self.config,
            self.io_dtype.itemsize,
            sum(plan.weights for plan in self.plans.values()),
            {name: self.plans[path].methods[name] for name, path in self.paths.items()},
            # A method holds its arena from when it is loaded.
            arenas_stay=True,
        )

    def layouts(self) -> Layouts:
        return self._layouts


def _load(path: Path):
    try:
        return Runtime.get().load_program(path, verification=Verification.InternalConsistency)
    except RuntimeError as error:
        raise InputError(f"{path} is not a readable .pte file; it is corrupt or cut short, convert again") from error


def keep_on_one_thread() -> None:
    """Keeps the process's pool at one thread. A program that is loaded already would go on with the pool that was."""
    if portable_lib._threadpool_get_thread_count() != 1:
        portable_lib._unsafe_reset_threadpool(1)


def load(folder: Path, card: ArtifactCard) -> Backend:
    """The backend of a card's artifacts."""
    return ExecuTorchBackend(folder, card)
