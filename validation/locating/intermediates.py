"""What every target's file is opened to: the values that its programs compute on the way to their outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.silencing import silenced


@dataclass(frozen=True, eq=False)
class Values:
    """One run of a program: every float value that it computed, in the order in which it did, and its outputs in the
    contract's order. What a value is called is the file's own affair; its axes may be in another order."""

    computed: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]


class Intermediates(ABC):
    """An artifact that shows its values. runtime: what computes them, and how that differs from what ships."""

    runtime: str

    @abstractmethod
    def run(self, program: str, inputs: Mapping[str, np.ndarray]) -> Values:
        """Runs a program on the contract's inputs, in its order and the artifact's own dtype."""


def _coreml(files: Mapping[str, Path]) -> Intermediates:
    from tinysam2.validation.locating.read_coreml import CoreMLIntermediates

    return CoreMLIntermediates(files)


def _executorch(files: Mapping[str, Path]) -> Intermediates:
    from tinysam2.validation.locating.read_executorch import ExecuTorchIntermediates

    return ExecuTorchIntermediates(files)


def _litert(files: Mapping[str, Path]) -> Intermediates:
    from tinysam2.validation.locating.read_tflite import LiteRTIntermediates

    return LiteRTIntermediates(files)


OPENED: Mapping[str, Callable[[Mapping[str, Path]], Intermediates]] = {
    "coreml": _coreml,
    "executorch": _executorch,
    "tflite": _litert,
}
"""Target -> what opens its files, program -> file, to their values."""


def open_intermediates(folder: Path, card: ArtifactCard) -> Intermediates:
    """A card's artifacts in a folder, opened. Raises InputError where a file cannot be read."""
    with silenced():
        return OPENED[card.target]({program: folder / file for program, file in card.files.items()})
