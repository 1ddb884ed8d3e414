"""Intermediate values of `.mlpackage`s, by the MIL interpreter."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinysam2.mobile_runtime.mil import MILProgram
from tinysam2.validation.locating.intermediates import Intermediates, Values


class CoreMLIntermediates(Intermediates):
    """What every operation of a package computes, fusions of the converter's as one."""

    runtime = "MIL interpreter, not Apple's runtime"

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._programs = {name: MILProgram.load(path) for name, path in files.items()}

    def run(self, program: str, inputs: Mapping[str, np.ndarray]) -> Values:
        interpreted = self._programs[program]
        computed = interpreted.run_with_intermediates(**inputs)
        outputs = tuple(computed[name] for name in interpreted.outputs)
        return Values(tuple(v for v in computed.values() if v.dtype.kind == "f"), outputs)


def open_values(files: Mapping[str, Path]) -> Intermediates:
    """A target's files, program -> file, opened to their values."""
    return CoreMLIntermediates(files)
