"""Artifacts in a folder to the backend that runs them."""

import importlib
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


def keep_on_one_thread(backend_module: str) -> None:
    """Keeps a runtime on one thread where its threads are the whole process's. Before the process loads anything.

    backend_module: the backend's, which offers `keep_on_one_thread()` where its runtime is of that kind.
    """
    with _LOADING, silenced():
        keep = getattr(importlib.import_module(backend_module), "keep_on_one_thread", None)
        if keep is not None:
            keep()
