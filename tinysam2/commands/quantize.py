"""`tinysam2 quantize`: the float model to an int8 checkpoint."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.config import ModelConfig
from models.errors import InputError
from models.files import check_output_file
from tinysam2.commands.options import (
    FILE_OR_FOLDER,
    checkpoint_option,
    choices,
    json_option,
    preset_option,
    split_option,
    training_data_option,
)
from tinysam2.training_inputs import DEVICES, chosen_device, figures_in_words, read_stages, read_videos

if TYPE_CHECKING:
    from models.training.trainer import TrainedStep


@click.command(short_help="Train the int8 variant of a float model.")
@training_data_option
@split_option
@click.option(
    "--output", type=FILE_OR_FOLDER, metavar="FILE", required=True, help="The int8 checkpoint (.safetensors)."
)
@preset_option()
@checkpoint_option
@click.option("--recipe", type=FILE_OR_FOLDER, metavar="FILE", help="Rules as JSON.  [default: every layer in w8a8]")
@click.option("--calibrate-only", is_flag=True, help="Set the scales and train nothing: post-training quantization.")
@click.option("--calibration-batches", type=click.IntRange(min=1), default=16, show_default=True, metavar="N")
@click.option("--steps", type=int, default=600, show_default=True, help="Optimiser steps after calibration.")
@click.option("--batch-frames", type=int, default=24, show_default=True, help="Frames in a step.")
@click.option(
    "--parts", type=int, default=2, show_default=True, help="Parts of a batch; processes must share them evenly."
)
@click.option("--learning-rate", type=float, default=1e-4, show_default=True, help="Peak, after the warm-up.")
@click.option(
    "--curriculum",
    default="0.5:4:0.7,0.5:6:0.8",
    show_default=True,
    metavar="SHARE:FRAMES:REAL,...",
    help="Stages: share of the steps, frames of a clip, share of clips that are real video.",
)
@click.option("--hold-out", metavar="NAME,...", help="Sequences to track now and then instead of training on them.")
@click.option(
    "--run", type=FILE_OR_FOLDER, metavar="DIR", help="The run's folder.  [default: FILE without suffix, .run]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Processes preparing clips.")
@click.option("--device", metavar=choices(DEVICES), help="Where to train.  [default: cuda, if there is one]")
@json_option
def command(
    folders: tuple[Path, ...],
    split: str | None,
    output: Path,
    preset: ModelConfig,
    checkpoint: Path | None,
    recipe: Path | None,
    calibrate_only: bool,
    calibration_batches: int,
    hold_out: str | None,
    run: Path | None,
    workers: int,
    device: str | None,
    as_json: bool,
    curriculum: str,
    **chosen: object,
) -> None:
    """Quantize a float model: set the scales on clips of the data, then train through them, the float model teaching.

    The teacher's features, memories and mask logits are matched along whole clips, the memory bank fed back. FILE
    holds int8 weights, scales, the recipe and the teacher's digest. The same command goes on where a run was stopped.

    \b
    Example:
      tinysam2 quantize --data davis2016/train --output nano-int8.safetensors
      tinysam2 quantize --data davis2016/train --calibrate-only --output nano-ptq.safetensors
    """
    from models.training.settings import TrainingSettings

    try:
        settings = TrainingSettings(curriculum=read_stages(curriculum), warmup=50, ema=0.99, **chosen)
    except ValueError as error:
        raise InputError(str(error)) from error
    check_output_file(output)

    from models.checkpoint import load_model
    from models.quantization.recipe import DEFAULT_RECIPE, read_recipe
    from models.quantization.training import Calibration, calibrated_model, save_quantized, train_quantized
    from models.training.parallel import joined_processes
    from models.training.run_folder import SETTINGS, RunFolder, described
    from tinysam2.console import shown_steps
    from tinysam2.destinations import check_apart, check_shared_folder

    rules = read_recipe(recipe) if recipe else DEFAULT_RECIPE
    run = run or output.with_suffix(".run")
    check_apart(output, (*folders, checkpoint, recipe))
    check_apart(run, (*folders, checkpoint, recipe, output))
    if not calibrate_only:
        check_shared_folder(run, SETTINGS)
    where = chosen_device(device)
    with joined_processes() as processes, shown_steps(visible=processes.first) as steps:
        steps.begin("reading the data")
        training, held_out = read_videos(folders, split, hold_out)
        teacher = load_model(preset, checkpoint)
        how = Calibration(calibration_batches, steps.counter("calibrating"))
        variant = calibrated_model(teacher, rules, training, settings, how)
        last = None
        if not calibrate_only:
            folder = RunFolder(run)
            if processes.first:
                folder.open(
                    described(
                        settings,
                        data=[str(folder.resolve()) for folder in folders],
                        split=split,
                        sequences=[sequence.name for sequence in training],
                        held_out=[sequence.name for sequence in held_out],
                        preset=preset.name,
                        teacher=teacher.digest,
                        recipe=json.loads(rules.to_json()),
                        calibration_batches=calibration_batches,
                    )
                )
            show = steps.measured("training", settings.steps)

            def progress(trained: "TrainedStep") -> None:
                nonlocal last
                last = trained
                show(trained.step, figures_in_words(trained.figures))

            variant = train_quantized(
                teacher,
                variant,
                training,
                settings,
                folder,
                held_out=held_out,
                processes=processes,
                workers=workers,
                device=where,
                progress=progress,
            )
        if not processes.first:
            return
        steps.begin("writing the checkpoint")
        save_quantized(variant, rules, teacher, output)

    figures = last.figures if last else {}
    if as_json:
        about = {"checkpoint": str(output), "steps": 0 if calibrate_only else settings.steps, **figures}
        click.echo(json.dumps(about, indent=2))
        return
    if figures:
        click.echo(f"{settings.steps} steps: {figures_in_words(figures)}")
    click.echo(f"int8 checkpoint: {output}, {output.stat().st_size:,} bytes")
