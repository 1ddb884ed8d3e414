"""`tinysam2 quantize`: the float model to an int8 checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file
from tinysam2.inputs.options import (
    FILE_OR_FOLDER,
    GivenModel,
    grouped,
    json_option,
    model_weights_options,
    run_options,
    training_videos_options,
)
from tinysam2.inputs.training import (
    GivenMachine,
    GivenVideos,
    ShownTraining,
    chosen_device,
    described_data,
    figures_in_words,
    names_of_data,
    read_stages,
    read_videos,
)

recipe_option = click.option(
    "--recipe", type=FILE_OR_FOLDER, metavar="FILE", help="Rules as JSON.  [default: w8a8 but where scores come out]"
)
calibrate_only_option = click.option(
    "--calibrate-only", is_flag=True, help="Set the scales and train nothing: post-training quantization."
)
batches_option = click.option(
    "--calibration-batches", type=click.IntRange(min=1), default=16, show_default=True, metavar="N"
)


@dataclass(frozen=True)
class GivenQuantization:
    """How a model is quantized. recipe: a file; calibrate_only: without training; calibration_batches: of clips."""

    recipe: Path | None
    calibrate_only: bool
    calibration_batches: int


@click.command(short_help="Train the int8 variant of a float model.")
@training_videos_options
@click.option(
    "--output", type=FILE_OR_FOLDER, metavar="FILE", required=True, help="The int8 checkpoint (.safetensors)."
)
@model_weights_options
@grouped(
    "quantization",
    GivenQuantization,
    {"recipe": recipe_option, "calibrate_only": calibrate_only_option, "calibration_batches": batches_option},
)
@run_options(steps=500, learning_rate=2e-4, curriculum="1:12:0.9")
@click.option("--run", type=FILE_OR_FOLDER, metavar="DIR", help="The run's folder.  [default: FILE, its suffix .run]")
@json_option
def command(
    videos: GivenVideos,
    output: Path,
    given: GivenModel,
    quantization: GivenQuantization,
    run: Path | None,
    machine: GivenMachine,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Quantize a float model: set the scales on clips of the data, then train through them, the float model teaching.

    The teacher's features, memories and mask logits are matched along whole clips, the memory bank fed back. FILE
    holds int8 weights, scales, the recipe and the teacher's digest. The same command goes on where a run was stopped.

    \b
    Example:
      tinysam2 quantize --data davis2016/train --output nano-int8.safetensors
      tinysam2 quantize --data davis2016/train --calibrate-only --output nano-ptq.safetensors
    """
    from tinysam2.models.training.quantized import TAUGHT
    from tinysam2.models.training.settings import TrainingSettings

    stages = read_stages(chosen.pop("curriculum"))
    try:
        settings = TrainingSettings(curriculum=stages, warmup=50, ema=0.99, losses=TAUGHT, **chosen)
    except ValueError as error:
        raise InputError(str(error)) from error
    check_output_file(output)

    from tinysam2.inputs.destinations import check_apart, check_shared_folder
    from tinysam2.mobile_runtime.torch_backend import TorchBackend
    from tinysam2.mobile_runtime.tracker import Tracker
    from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, read_recipe
    from tinysam2.models.training.held_out import HeldOut
    from tinysam2.models.training.parallel import Execution, joined_processes
    from tinysam2.models.training.quantized import Calibration, calibrated_model, save_quantized, train_quantized
    from tinysam2.models.training.run_folder import SETTINGS, RunFolder, described
    from tinysam2.models.weights.checkpoint import load_model
    from tinysam2.views.console import shown_steps

    rules = read_recipe(quantization.recipe) if quantization.recipe else DEFAULT_RECIPE
    run = run or output.with_suffix(".run")
    check_apart(output, (*videos.folders, given.checkpoint, quantization.recipe))
    check_apart(run, (*videos.folders, given.checkpoint, quantization.recipe, output))
    if not quantization.calibrate_only:
        check_shared_folder(run, SETTINGS)
    where = chosen_device(machine.device)
    with joined_processes() as processes, shown_steps(visible=processes.first) as steps:
        steps.begin("reading the data")
        training, held_out = read_videos(videos)
        judges = HeldOut(held_out, lambda model: Tracker(TorchBackend(model))) if held_out else None
        teacher = load_model(given.preset, given.checkpoint)
        folder = RunFolder(run)
        if processes.first and not quantization.calibrate_only:
            folder.open(
                described(
                    settings,
                    **described_data(videos, training, held_out),
                    preset=given.preset.name,
                    teacher=teacher.digest,
                    recipe=json.loads(rules.to_json()),
                    calibration_batches=quantization.calibration_batches,
                )
            )
        how = Calibration(quantization.calibration_batches, steps.counter("calibrating"))
        variant = calibrated_model(teacher, rules, training, settings, how)
        figures: Mapping[str, float] = {}
        if not quantization.calibrate_only:
            shown = ShownTraining(steps, settings.steps)
            execution = Execution(processes, machine.workers, where, shown)
            variant = train_quantized(teacher, variant, training, settings, folder, judges, execution)
            figures = shown.figures
        if not processes.first:
            return
        steps.begin("writing the checkpoint")
        terms = teacher.terms.after_training(names_of_data(videos))
        save_quantized(variant, rules, teacher, terms, output)

    if as_json:
        about = {"checkpoint": str(output), "steps": 0 if quantization.calibrate_only else settings.steps, **figures}
        click.echo(json.dumps(about, indent=2))
        return
    if figures:
        click.echo(f"{settings.steps} steps: {figures_in_words(figures)}")
    click.echo(f"int8 checkpoint: {output}, {output.stat().st_size:,} bytes")
