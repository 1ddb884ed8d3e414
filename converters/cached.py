"""Conversions in the cache, each under the sha256 of all that its artifacts depend on."""

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tinysam2.core.cache import Cache
from tinysam2.core.files import atomic_path
from tinysam2.core.provenance import code_digest, package_versions
from tinysam2.core.targets import Target
from tinysam2.models.weights.checkpoint import LoadedModel

VERSION = 1
"""Raised when an entry's form changes."""

SOURCES = ("converters", "core", "models/network", "models/quantization", "models/weights")
"""Parts of this package whose code decides what a conversion gives."""

_FILES = "files.json"


def fetch_artifacts(
    cache: Cache | None, loaded: LoadedModel, target: Target, precision: str, folder: Path
) -> Mapping[str, str] | None:
    """Puts a conversion's artifacts into a folder and returns program -> file name; None where they are not cached."""
    if cache is None:
        return None
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        entry = Path(name) / "entry"
        if not cache.fetch(conversion_key(loaded, target, precision), entry):
            return None
        files = json.loads((entry / _FILES).read_text(encoding="utf-8"))
        for file in dict.fromkeys(files.values()):
            with atomic_path(folder / file) as temporary:
                shutil.move(entry / file, temporary)
    return files


def keep_artifacts(
    cache: Cache | None,
    loaded: LoadedModel,
    target: Target,
    precision: str,
    folder: Path,
    files: Mapping[str, str],
) -> None:
    """Keeps a conversion's artifacts, which lie in a folder. files: program -> file name."""
    if cache is None:
        return
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        listed = Path(name) / _FILES
        listed.write_text(json.dumps(dict(files)), encoding="utf-8")
        kept = {file: folder / file for file in files.values()} | {_FILES: listed}
        cache.keep(conversion_key(loaded, target, precision), kept)


def conversion_key(loaded: LoadedModel, target: Target, precision: str) -> str:
    """sha256 over weights, recipe, sizes, target, precision, versions and code: one that differs, another key."""
    described = {
        "version": VERSION,
        "weights": loaded.digest,
        "recipe": loaded.recipe and loaded.recipe.to_json(),
        "config": asdict(loaded.model.config),
        "target": target.name,
        "precision": precision,
        "machine": [platform.system(), platform.machine(), platform.python_version()],
        "packages": package_versions(("torch", "numpy", *target.packages)),
        "code": code_digest(SOURCES, target.converter),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
