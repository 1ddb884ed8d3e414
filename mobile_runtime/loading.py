"""Artifacts in a folder to the backend that runs them."""

import threading
from pathlib import Path

from tinysam2.core.artifacts import read_card
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import Target
from tinysam2.mobile_runtime.backend import Backend

_LOADING = threading.Lock()


def load_artifacts(target: Target, folder: Path) -> Backend:
    """The backend of a target with its artifacts in a folder loaded and checked against their preset.

    Raises InputError where the target's package is missing, or the artifacts are missing, corrupt or another
    preset's.

    Threads: several may load at once, and take turns; each then runs the backend that it loaded. While one loads, what
    the others print is dropped (`silenced`).
    """
    card = read_card(folder, target)
    # Toolchains are imported and set loggers' levels here: neither is made for two threads at once.
    with _LOADING, silenced():
        return target.load_backend().load(folder, card)
