"""Weights to artifacts: exports the programs once and hands them to each target's converter."""

import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path

from tinysam2.converters.export import export_programs
from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.errors import InputError
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS, Target, target
from tinysam2.models.quantization.conversion import quantizable_layers, with_float_weights
from tinysam2.models.quantization.recipe import W8
from tinysam2.models.weights.checkpoint import LoadedModel


def convert_model(
    loaded: LoadedModel,
    precisions: Mapping[str, str],
    folder: Path,
    progress: Callable[[str], None] = lambda step: None,
) -> list[ArtifactCard]:
    """Converts a model into one folder, to each target at its precision, and returns the artifacts' cards.

    Each artifact is written whole or not at all, a target's card last. progress is told each step as it begins.
    Raises InputError where the precision is int8 and the model is not quantized, or the other way round, and where a
    target does not take what the recipe asks for.
    """
    targets = {name: target(name) for name in precisions}
    for name, precision in precisions.items():
        check_precision_of(loaded, precision)
        check_recipe_of(loaded, targets[name])
    folder.mkdir(parents=True, exist_ok=True)
    with silenced():
        exported, cards = {}, []
        for number, (name, precision) in enumerate(precisions.items(), 1):
            entry = targets[name]
            quantized = loaded.recipe is not None
            float_weights = quantized and entry.float_weights
            if float_weights not in exported:
                progress("exporting the programs")
                model = with_float_weights(loaded.model) if float_weights else loaded.model
                # LiteRT's converter would round the table to int8; it keeps the sines.
                exported[float_weights] = list(export_programs(model, fold_tables=quantized and not float_weights))
            progress(f"converting to {entry.title} {precision} ({number} of {len(precisions)})")
            files = entry.load_converter().convert(exported[float_weights], precision, folder)
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
                versions={
                    package: importlib.metadata.version(package) for package in ("tinysam2", "torch", *entry.packages)
                },
            ).sealed(folder)
            card.write(folder)
            cards.append(card)
    return cards


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
