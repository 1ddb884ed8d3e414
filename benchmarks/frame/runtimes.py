"""A lowered file in its runtime on a number of threads: what runs each of its programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinysam2.core.silencing import silenced
from tinysam2.core.targets import TORCH

EXECUTORCH, TFLITE = "executorch", "tflite"

LOWERED = (EXECUTORCH, TFLITE)
"""Runtimes that run natively on Linux."""

RUNTIMES = (*LOWERED, TORCH)


@dataclass(frozen=True)
class Opened:
    """A program in its runtime. shapes: of its inputs, by name, or in order where the file has no names.
    run: takes the inputs, by the same names or in the same order."""

    shapes: Mapping[str, tuple[int, ...]]
    run: Callable[[Mapping[str, np.ndarray]], object]


def opened(runtime: str, file: Path, programs: Sequence[str], threads: int) -> dict[str, Opened]:
    """The programs of a file. Raises RuntimeError or ValueError where the runtime refuses it."""
    with silenced():
        return (_in_executorch if runtime == EXECUTORCH else _in_litert)(file, programs, threads)


def import_runtime(runtime: str) -> None:
    """Loads what a runtime needs, so that a later measurement of memory does not count it."""
    with silenced():
        if runtime == TFLITE:
            import ai_edge_litert.interpreter  # noqa: F401
        else:
            import torch  # noqa: F401
        if runtime == EXECUTORCH:
            import executorch.runtime  # noqa: F401


def _in_executorch(file: Path, programs: Sequence[str], threads: int) -> dict[str, Opened]:
    import torch
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    # The pool is the process's and heeds nothing that torch is told.
    portable_lib._unsafe_reset_threadpool(threads)
    loaded = Runtime.get().load_program(file)

    def open_method(name: str) -> Opened:
        method = loaded.load_method(name)
        meta = method.metadata
        shapes = {str(i): tuple(meta.input_tensor_meta(i).sizes()) for i in range(meta.num_inputs())}

        # The program must outlive its methods.
        def run(inputs: Mapping[str, np.ndarray], program: Any = loaded) -> object:
            return method.execute([torch.from_numpy(value) for value in inputs.values()])

        return Opened(shapes, run)

    return {name: open_method(name) for name in programs}


def _in_litert(file: Path, programs: Sequence[str], threads: int) -> dict[str, Opened]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file), num_threads=threads)
    interpreter.allocate_tensors()

    def open_signature(name: str) -> Opened:
        runner = interpreter.get_signature_runner(name)
        shapes = {key: tuple(detail["shape"]) for key, detail in runner.get_input_details().items()}

        return Opened(shapes, lambda inputs: runner(**inputs))

    return {name: open_signature(name) for name in programs}
