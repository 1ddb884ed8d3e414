"""The integers of one target's artifacts, held to the checkpoint that they were made from."""

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

    Raises InputError where a file cannot be read, or the target has no integer reader.
    """
    reader = card.target_entry.load_integer_reader()
    programs: dict[str, list[str]] = {}
    for program, file in card.files.items():
        programs.setdefault(file, []).append(program)
    with silenced():
        found = [reader.read_contents(folder / file, tuple(names)) for file, names in programs.items()]
    if loaded.recipe is None:
        raise InputError(f"{loaded.source} is not quantized, so its artifacts hold no integers to check")
    whole = Contents(
        [product for contents in found for product in contents.products],
        [rounding for contents in found for rounding in contents.standalone_roundings],
    )
    return check_integers(layers_of(loaded.model, loaded.recipe), whole)
