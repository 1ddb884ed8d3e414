"""What every target's file is opened to: the values that its programs compute on the way to their outputs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
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


def open_intermediates(folder: Path, card: ArtifactCard) -> Intermediates:
    """A card's artifacts in a folder, opened. Raises InputError where a file cannot be read, or the target has no
    reader of intermediate values."""
    reader = card.target_entry.load_value_reader()
    with silenced():
        return reader.open_values({program: folder / file for program, file in card.files.items()})
