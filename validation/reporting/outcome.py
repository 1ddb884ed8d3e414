"""What a validation came to, and when, in the cache: the same artifacts are validated once."""

import hashlib
import json
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.cache import Cache
from tinysam2.core.json_data import from_data, to_data
from tinysam2.core.provenance import code_digest, package_versions
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.validation.memory.budget import Budget
from tinysam2.validation.reporting.environment import this_environment
from tinysam2.validation.reporting.gallery import Shot
from tinysam2.validation.reporting.report import Report

VERSION = 1
"""Raised when an entry's form changes."""

PACKAGES = ("torch", "numpy", "pillow", "av", "scipy")
"""What computes figures and pictures, beside the targets' packages."""

_FILE = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    """A report and the frames that its page shows. made: the local time, to the minute."""

    report: Report
    shots: tuple[Shot, ...]
    made: str


def validated_once(
    cache: Cache | None, key: str, validate: Callable[[], tuple[Report, tuple[Shot, ...]]]
) -> tuple[Outcome, bool]:
    """The outcome under a key, and whether it comes from the cache; where it does not, `validate` makes it.

    Only one that passed is kept: one that failed on a measurement may pass the next time.
    """
    if cache is not None and (found := _fetch(cache, key)):
        return found, True
    report, shots = validate()
    made = Outcome(report, shots, datetime.now().strftime("%Y-%m-%d %H:%M"))
    if cache is not None and report.passed:
        with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
            file = Path(name) / _FILE
            file.write_text(json.dumps(to_data(made)), encoding="utf-8")
            cache.keep(key, {_FILE: file})
    return made, False


def outcome_key(
    loaded: LoadedModel, cards: Sequence[ArtifactCard], frames: int | None, budget: Budget, measured: bool
) -> str:
    """sha256 over all that the outcome on the embedded clip depends on: the artifacts and all that their cards say,
    the model, the budget, this machine, the versions of packages and this package's code.

    frames: how many of the clip; measured: whether memory of processes is.
    """
    described = {
        "version": VERSION,
        "model": [loaded.digest, loaded.recipe and loaded.recipe.to_json(), to_data(loaded.model.config)],
        "cards": to_data(cards),
        "frames": frames,
        "budget": to_data(budget),
        "measured": measured,
        "machine": [platform.node(), to_data(this_environment())],
        "packages": package_versions(
            (
                "torch",
                "numpy",
                "pillow",
                "av",
                "scipy",
                *(name for card in cards for name in card.target_entry.packages),
            )
        ),
        "code": code_digest(("",)),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _fetch(cache: Cache, key: str) -> Outcome | None:
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        place = Path(name) / "entry"
        if not cache.fetch(key, place):
            return None
        return from_data(Outcome, json.loads((place / _FILE).read_text(encoding="utf-8")))
