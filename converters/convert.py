"""Weights to artifacts: exports the programs once and hands them to each target's converter."""

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path

from converters.export import export_programs
from models.artifacts import ArtifactCard
from models.checkpoint import LoadedModel
from models.console import silenced
from models.targets import TARGETS


def convert_model(
    loaded: LoadedModel,
    precisions: Mapping[str, str],
    folder: Path,
    progress: Callable[[str], None] = lambda step: None,
) -> list[ArtifactCard]:
    """Converts a model into one folder, to each target at its precision, and returns the artifacts' cards.

    Each artifact is written whole or not at all, a target's card last. progress is told each step as it begins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with silenced():
        progress("exporting the programs")
        programs = list(export_programs(loaded.model))
        cards = []
        for name, precision in precisions.items():
            target = TARGETS[name]
            progress(f"converting to {target.title} {precision}")
            files = target.load_converter().convert(programs, precision, folder)
            card = ArtifactCard(
                target=target.name,
                preset=loaded.model.config.name,
                precision=precision,
                io_dtype=target.precisions[precision],
                files=files,
                weights=loaded.source,
                weights_digest=loaded.digest,
                trained=loaded.trained,
                versions={
                    package: importlib.metadata.version(package) for package in ("tinysam2", "torch", *target.packages)
                },
            )
            card.write(folder)
            cards.append(card)
    return cards
