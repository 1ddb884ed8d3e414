"""Artifacts for a benchmark, converted unless they are there."""

from collections.abc import Mapping
from pathlib import Path

from tinysam2.converters.convert import convert_model
from tinysam2.core.artifacts import card_path, read_card
from tinysam2.core.targets import TARGETS
from tinysam2.models.weights.checkpoint import LoadedModel


def converted(loaded: LoadedModel, precisions: Mapping[str, str], folder: Path) -> Path:
    """The folder, with the model's artifacts for each target at its precision.

    A target is converted where the folder has no card of it, or one of other weights or of another precision. Raises
    InputError where a card cannot be read.
    """
    wanted = {name: precision for name, precision in precisions.items() if not _holds(folder, name, precision, loaded)}
    if wanted:
        convert_model(loaded, wanted, folder)
    return folder


def _holds(folder: Path, target: str, precision: str, loaded: LoadedModel) -> bool:
    if not card_path(folder, target).is_file():
        return False
    card = read_card(folder, TARGETS[target])
    return (card.weights_digest, card.precision) == (loaded.digest, precision)
