"""Weights to artifacts: each target is converted in a process of its own, or taken from the cache."""

import importlib.metadata
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tinysam2.converters.cached import fetch_artifacts, keep_artifacts
from tinysam2.converters.parallel import Job, run_jobs
from tinysam2.converters.stages import Stages
from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.cache import Cache
from tinysam2.core.errors import InputError
from tinysam2.core.launching import usable_cores
from tinysam2.core.targets import INT8, TARGETS, Target, target
from tinysam2.models.quantization.conversion import quantizable_layers
from tinysam2.models.quantization.recipe import W8
from tinysam2.models.weights.checkpoint import LoadedModel, save_model


def convert_model(
    loaded: LoadedModel,
    precisions: Mapping[str, str],
    folder: Path,
    progress: Callable[[float, str], None] = lambda share, step: None,
    workers: int | None = None,
    cache: Cache | None = None,
) -> list[ArtifactCard]:
    """Converts a model into one folder, to each target at its precision, and returns the artifacts' cards.

    Each artifact is written whole or not at all, a target's card last. progress is told each step as it begins, and the
    share of the whole that is done. workers: processes at a time, by default one a target and at most one a core.
    cache: where the same conversion is looked for and kept; None: nowhere.
    Raises InputError where the precision is int8 and the model is not quantized, or the other way round, where a
    target does not take what the recipe asks for, and where a conversion fails: the others are ended then.
    """
    entries = {name: target(name) for name in precisions}
    for name, precision in precisions.items():
        check_precision_of(loaded, precision)
        check_recipe_of(loaded, entries[name])
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Mapping[str, str]] = {}
    for name, precision in precisions.items():
        if cached := fetch_artifacts(cache, loaded, entries[name], precision, folder):
            files[name] = cached
    stages = Stages([entry for name, entry in entries.items() if name not in files], progress)
    for name in files:
        stages.tell(f"{entries[name].title}: taken from the cache")
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as place:
        weights = Path(place) / "weights.safetensors"
        if len(files) < len(entries):
            save_model(loaded, weights)
        jobs = [
            Job(entry, precisions[entry.name], loaded.model.config.name, weights, folder)
            for entry in stages.longest_first
        ]
        for name, converted in run_jobs(jobs, workers or usable_cores(), stages):
            files[name] = converted
            keep_artifacts(cache, loaded, entries[name], precisions[name], folder, converted)
    return [write_card(loaded, entries[name], precisions[name], files[name], folder) for name in precisions]


def write_card(
    loaded: LoadedModel, entry: Target, precision: str, files: Mapping[str, str], folder: Path
) -> ArtifactCard:
    """Writes and returns the card of a target's artifacts, which lie in a folder. files: program -> file name."""
    card = ArtifactCard(
        target=entry.name,
        preset=loaded.model.config.name,
        precision=precision,
        io_dtype=entry.precisions[precision],
        files=files,
        weights=loaded.source,
        weights_digest=loaded.digest,
        trained=loaded.trained,
        licence=loaded.terms.licence,
        trained_on=loaded.terms.trained_on,
        versions={package: importlib.metadata.version(package) for package in ("tinysam2", "torch", *entry.packages)},
    ).sealed(folder)
    card.write(folder)
    return card


def check_precision_of(loaded: LoadedModel, precision: str) -> None:
    """Raises InputError where a model cannot be converted to a precision: int8 takes int8 weights and no others."""
    if (precision == INT8) != (loaded.recipe is not None):
        held = "int8" if loaded.recipe else "float"
        raise InputError(
            f"{loaded.source} holds {held} weights, which cannot be converted to {precision}; "
            f"name {'int8 weights, as `tinysam2 quantize` writes them' if precision == INT8 else 'float weights'}"
        )


def check_recipe_of(loaded: LoadedModel, target: Target) -> None:
    """Raises InputError where a quantized model has layers of a kind that a target does not take."""
    if loaded.recipe is None or target.weight_only_int8:
        return
    layers = quantizable_layers(loaded.model)
    if alone := [name for name, place in layers.items() if loaded.recipe.precision(*place) == W8]:
        taken_by = " or ".join(name for name, entry in TARGETS.items() if entry.weight_only_int8)
        raise InputError(
            f"{loaded.source} has int8 weights with float activations (w8: {alone[0]}), which {target.title} does not "
            f"take; quantize with a recipe of w8a8 and float, or convert to {taken_by}"
        )
