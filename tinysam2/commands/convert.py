"""`tinysam2 convert`: weights to one target's artifacts."""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click

from tinysam2.core.config import ModelConfig
from tinysam2.core.targets import INT8, Target, checked_precision
from tinysam2.inputs.conversion import no_cache_option, user_cache
from tinysam2.inputs.options import (
    FILE_OR_FOLDER,
    TARGET,
    checkpoint_option,
    json_option,
    precision_option,
    preset_option,
)


@click.command(short_help="Convert the model for one target.")
@click.argument("target", type=TARGET)
@preset_option()
@checkpoint_option
@precision_option
@click.option(
    "--output",
    type=FILE_OR_FOLDER,
    default="artifacts",
    metavar="DIR",
    show_default=True,
    help="Folder for the artifacts; several targets may share one.",
)
@no_cache_option
@json_option
def command(
    target: Target,
    preset: ModelConfig,
    checkpoint: Path | None,
    precision: str | None,
    output: Path,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Convert the model's four programs for a target.

    Writes the artifacts and a card, named after the target, that says what they were made from and with.

    \b
    Example:
      tinysam2 convert executorch --preset nano --output artifacts
      tinysam2 convert coreml --precision fp32 --output artifacts
      tinysam2 convert tflite --precision int8 --checkpoint int8.safetensors --output artifacts
    """
    precision = checked_precision(target, precision)
    target.require_installed()

    from tinysam2.core.artifacts import card_path
    from tinysam2.core.files import bytes_in
    from tinysam2.inputs.destinations import check_shared_folder, put_artifacts
    from tinysam2.views.console import print_table, shown_steps

    check_shared_folder(output, card_path(output, target.name).name)
    started = time.perf_counter()
    with shown_steps() as steps, tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        steps.begin("loading the model and the toolchain")
        from tinysam2.converters.convert import convert_model
        from tinysam2.models.weights.checkpoint import load_model

        loaded = load_model(preset, checkpoint, quantized=precision == INT8)
        cache, progress = None if no_cache else user_cache(), steps.shares("converting")
        [card] = convert_model(loaded, {target.name: precision}, Path(name), progress, cache=cache)
        put_artifacts(Path(name), output, card_path(output, target.name))
    seconds = time.perf_counter() - started

    if as_json:
        summary = {**asdict(card), "folder": str(output), "seconds": round(seconds, 1)}
        click.echo(json.dumps(summary, indent=2))
        return
    files = dict.fromkeys(card.files.values())
    sizes = {file: bytes_in(output / file) for file in files}
    rows = [(str(output / file), f"{size:,}") for file, size in sizes.items()]
    print_table(("file", "bytes"), [*rows, ("total", f"{sum(sizes.values()):,}")])
    trained = "" if card.trained else "; untrained weights"
    click.echo(f"{target.title} {precision}, preset {preset.name}, in {seconds:.1f} seconds{trained}")
