"""Artifacts in a folder to the backend that runs them."""

from pathlib import Path

from mobile_runtime.backend import Backend
from models.artifacts import read_card
from models.console import silenced
from models.targets import Target


def load_artifacts(target: Target, folder: Path) -> Backend:
    """The backend of a target with its artifacts in a folder loaded and checked against their preset.

    Raises InputError where the target's package is missing, or the artifacts are missing, corrupt or another
    preset's.
    """
    card = read_card(folder, target)
    with silenced():
        return target.load_backend().load(folder, card)
