"""Artifacts in a folder to the backend that runs them."""

from pathlib import Path

from tinysam2.core.artifacts import read_card
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import Target
from tinysam2.mobile_runtime.backend import Backend


def load_artifacts(target: Target, folder: Path) -> Backend:
    """The backend of a target with its artifacts in a folder loaded and checked against their preset.

    Raises InputError where the target's package is missing, or the artifacts are missing, corrupt or another
    preset's.
    """
    card = read_card(folder, target)
    with silenced():
        return target.load_backend().load(folder, card)
