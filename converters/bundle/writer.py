"""Writes one platform's bundle as a folder."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinysam2.converters.bundle.documents import write_documents
from tinysam2.converters.bundle.manifest import bank_bytes, manifest_of
from tinysam2.converters.bundle.platforms import host_code, platforms
from tinysam2.core.artifacts import ArtifactCard, card_path
from tinysam2.core.errors import InputError
from tinysam2.core.files import sha256_of
from tinysam2.core.manifest import (
    DIGEST,
    GOLDEN_INDEX,
    MANIFEST,
    REPORT,
    SCHEMA,
    SCHEMA_FILE,
    check_manifest,
    digest_line,
)

PAGE = "report.html"

NOT_SOURCES = shutil.ignore_patterns("build", ".build", ".gradle", ".swiftpm", ".idea", "__pycache__", ".DS_Store")
"""What building leaves in a folder of host code."""


@dataclass(frozen=True)
class Contents:
    """What goes into every platform's bundle beside its artifacts.

    report: the validation's JSON, whose verdicts the manifest repeats; page: the same for people, as HTML.
    golden: writes `golden/index.json` and what it names into a bundle's folder, which holds the artifacts of the cards;
    None: no golden vectors.
    """

    report: Mapping
    page: str
    golden: Callable[[Path, Sequence[ArtifactCard]], None] | None = None


def write_bundle(
    platform: str, cards: Sequence[ArtifactCard], artifacts: Path, contents: Contents, folder: Path
) -> None:
    """Writes one platform's bundle into a new folder: its targets' artifacts and all that `Contents` names, the
    host code, and the manifest over everything.

    cards: of all artifacts in the folder `artifacts`, of which the platform's are taken.
    Raises InputError where no artifact is for the platform, or the artifacts are of different weights.
    """
    shipped = [card for card in cards if platform in card.target_entry.shipped_for]
    if not shipped:
        raise InputError(f"{artifacts} holds no artifacts for '{platform}'; the platforms are {', '.join(platforms())}")
    _check_one_checkpoint(shipped, artifacts)
    folder.mkdir(parents=True)
    for card in shipped:
        for name in dict.fromkeys(card.files.values()):
            _copy(artifacts / name, folder / name)
        _copy(card_path(artifacts, card.target), card_path(folder, card.target))
    (folder / REPORT).write_text(json.dumps(contents.report, indent=2) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(contents.page, encoding="utf-8")
    shutil.copyfile(SCHEMA_FILE, folder / SCHEMA)
    write_documents(platform, shipped, contents.report, bank_bytes(shipped), folder)
    if contents.golden is not None:
        contents.golden(folder, shipped)
    if host := host_code(platform):
        shutil.copytree(host, folder / "host", ignore=NOT_SOURCES, copy_function=shutil.copyfile)
    golden = GOLDEN_INDEX if contents.golden is not None else None
    manifest = manifest_of(platform, shipped, contents.report, golden, _files(folder))
    check_manifest(manifest, folder / MANIFEST)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (folder / DIGEST).write_text(digest_line((folder / MANIFEST).read_bytes()), encoding="utf-8")


def _check_one_checkpoint(cards: Sequence[ArtifactCard], artifacts: Path) -> None:
    first = cards[0]
    for card in cards[1:]:
        if (card.preset, card.weights_digest) != (first.preset, first.weights_digest):
            raise InputError(
                f"{artifacts} holds {first.target} artifacts of {first.weights} ({first.weights_digest[:12]}) and "
                f"{card.target} artifacts of {card.weights} ({card.weights_digest[:12]}); "
                "convert both from one checkpoint"
            )


def _files(folder: Path) -> dict[str, dict]:
    """Path -> size and sha256 of every file, in the order of the paths."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for name, path in sorted(paths.items())}


def _copy(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, destination)
