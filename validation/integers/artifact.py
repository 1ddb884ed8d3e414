"""The integers of one target's artifacts, held to the checkpoint that they were made from."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.errors import InputError
from tinysam2.core.silencing import silenced
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.validation.integers.checks import IntegerReport, check_integers
from tinysam2.validation.integers.layers import layers_of
from tinysam2.validation.integers.products import Contents


def check_artifact(loaded: LoadedModel, folder: Path, card: ArtifactCard) -> IntegerReport:
    """Reads the files that a card names and checks them against a quantized model's layers.

    Raises InputError where a file cannot be read.
    """
    programs: dict[str, list[str]] = {}
    for program, file in card.files.items():
        programs.setdefault(file, []).append(program)
    with silenced():
        found = [READERS[card.target](folder / file, tuple(names)) for file, names in programs.items()]
    if loaded.recipe is None:
        raise InputError(f"{loaded.source} is not quantized, so its artifacts hold no integers to check")
    whole = Contents(
        [product for contents in found for product in contents.products],
        [stray for contents in found for stray in contents.strays],
    )
    return check_integers(layers_of(loaded.model, loaded.recipe), whole)


def _of_coreml(path: Path, programs: tuple[str, ...]) -> Contents:
    from tinysam2.validation.integers.read_coreml import read_contents

    (program,) = programs
    return read_contents(path, program)


def _of_executorch(path: Path, programs: tuple[str, ...]) -> Contents:
    from tinysam2.validation.integers.read_executorch import read_contents

    return read_contents(path, programs)


def _of_tflite(path: Path, programs: tuple[str, ...]) -> Contents:
    from tinysam2.validation.integers.read_tflite import read_contents

    return read_contents(path, programs)


READERS: Mapping[str, Callable[[Path, tuple[str, ...]], Contents]] = {
    "coreml": _of_coreml,
    "executorch": _of_executorch,
    "tflite": _of_tflite,
}
"""Target -> what reads one of its files, for the programs named; a package holds one."""
