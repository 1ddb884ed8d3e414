"""Bundles: the folder that an app drops in, with everything it must know in one manifest."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tinysam2.core.artifacts import ArtifactCard, card_path
from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import AGES, EMPTY_AGE, MAX_POINTS, NEXT, bank_spec, program_contract
from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS
from tinysam2.core.units import MIB

MANIFEST = "manifest.json"
REPORT, PAGE = "report.json", "report.html"
MANIFEST_VERSION = 1
"""Raised when a field of the manifest changes its meaning or goes."""


def platforms() -> tuple[str, ...]:
    """Every phone platform that a target is shipped for."""
    return tuple(dict.fromkeys(platform for target in TARGETS.values() for platform in target.shipped_for))


def write_bundle(
    platform: str, cards: Sequence[ArtifactCard], artifacts: Path, report: Mapping, page: str, folder: Path
) -> None:
    """Writes one platform's bundle into a new folder: its targets' artifacts, the report, the manifest.

    cards: of all artifacts in the folder `artifacts`, of which the platform's are taken. report: the validation's
    JSON, whose verdict for these targets the manifest repeats. page: the same report for people, as HTML.
    Raises InputError where no artifact is for the platform.
    """
    shipped = [card for card in cards if platform in card.target_entry.shipped_for]
    if not shipped:
        raise InputError(f"{artifacts} holds no artifacts for '{platform}'; the platforms are {', '.join(platforms())}")
    folder.mkdir(parents=True)
    for card in shipped:
        for name in dict.fromkeys(card.files.values()):
            _copy(artifacts / name, folder / name)
        _copy(card_path(artifacts, card.target), card_path(folder, card.target))
    (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    (folder / PAGE).write_text(page, encoding="utf-8")
    manifest = _manifest(platform, shipped, report)
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _manifest(platform: str, cards: Sequence[ArtifactCard], report: Mapping) -> dict:
    config = cards[0].config
    verdicts = {entry["target"]: entry["passed"] for entry in report["targets"]}
    return {
        "manifest_version": MANIFEST_VERSION,
        "platform": platform,
        "preset": config.name,
        "weights": {"source": cards[0].weights, "sha256": cards[0].weights_digest, "trained": cards[0].trained},
        "parity": {
            "passed": all(verdicts[card.target] for card in cards),
            "targets": {card.target: verdicts[card.target] for card in cards},
            "report": REPORT,
        },
        "targets": {
            card.target: {
                "precision": card.precision,
                "io_dtype": card.io_dtype,
                "files": dict(card.files),
                "runtime": card.target_entry.runtime,
                "tensors_are_passed": card.target_entry.addressing,
                "versions": dict(card.versions),
            }
            for card in cards
        },
        "programs": {
            name: {"inputs": [asdict(t) for t in spec.inputs], "outputs": [asdict(t) for t in spec.outputs]}
            for name, spec in program_contract(config).items()
        },
        "frame": _frame(config),
    }


def _frame(config: ModelConfig) -> dict:
    """What an app does around the four calls."""
    return {
        "calls": list(program_contract(config)),
        "image": {
            "size": [config.image_size, config.image_size],
            "resize": "bilinear, both sides stretched to the size",
            "channels": "RGB, 0..255; the program normalises",
        },
        "points": {"most": MAX_POINTS, "scale": "pixels of the resized image"},
        "mask_prompt": {"size": [config.mask_size, config.mask_size], "resize": "area average of 0 and 1"},
        "mask_logits": {"size": [config.mask_size, config.mask_size], "resize": "bilinear, then above 0"},
        "bank": {
            "tensors": [tensor.name for tensor in bank_spec(config)],
            "fed_back_from": NEXT + "<name>",
            "empty": f"zeros, and {EMPTY_AGE:g} in {' and '.join(AGES)}",
            "per": "object; several objects share one image_encoder call",
        },
    }


def _copy(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination)
    else:
        shutil.copy2(source, destination)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()
