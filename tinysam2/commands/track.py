"""`tinysam2 track`: objects followed through a clip."""

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.config import PRESETS, ModelConfig
from models.errors import InputError
from models.targets import TARGETS, Target, checked_precision, target
from tinysam2.commands.options import (
    DEFAULT_PRESET,
    FILE_OR_FOLDER,
    Named,
    checkpoint_option,
    choices,
    json_option,
    precision_option,
    preset_option,
    prompt_options,
)
from tinysam2.prompting import check_one_kind_of_prompt, read_prompts

if TYPE_CHECKING:
    from tinysam2.console import Steps
    from tinysam2.runnable import RunnableModel
    from tinysam2.tracking import TrackedClip

TORCH = "torch"
BACKENDS = (TORCH, *TARGETS)


def _backend(name: str) -> str:
    if name not in BACKENDS:
        raise InputError(f"unknown backend '{name}'; the backends are {', '.join(BACKENDS)}")
    return name


@click.command(short_help="Track objects through a video.")
@click.argument("clip", type=FILE_OR_FOLDER)
@click.option("--backend", type=Named(_backend), metavar=choices(BACKENDS), required=True, help="Runtime.")
@click.option(
    "--artifacts",
    type=FILE_OR_FOLDER,
    metavar="DIR",
    help="Folder that `tinysam2 convert` wrote; without it the model is converted first.",
)
@preset_option(default=None)
@checkpoint_option
@precision_option
@prompt_options
@click.option(
    "--output",
    type=FILE_OR_FOLDER,
    metavar="DIR|FILE.mp4",
    required=True,
    help="Folder for the masks and overlay.mp4, or the overlay video alone.",
)
@json_option
def command(
    clip: Path,
    backend: str,
    artifacts: Path | None,
    preset: ModelConfig | None,
    checkpoint: Path | None,
    precision: str | None,
    points: tuple[tuple[float, ...], ...],
    box: tuple[float, ...] | None,
    mask: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Track what is prompted on the first frame of CLIP, a video file or a folder of frames.

    Writes one index PNG mask a frame (00000.png on; a pixel's value is its object's id) and an overlay video.

    \b
    Example:
      tinysam2 track coffee.mp4 --backend torch --point 640,360 --output tracked
      tinysam2 track clip/frames --backend executorch --mask clip/masks/00000.png --output tracked.mp4
    """
    runtime = None if backend == TORCH else target(backend)
    check_one_kind_of_prompt(points, box, mask)
    if not (mask or points or box):
        raise InputError("there is nothing to track; prompt the object with --point, --box or --mask")
    _check_model_options(runtime, artifacts, preset, checkpoint, precision)

    from mobile_runtime.media.clips import open_clip
    from tinysam2.console import shown_steps
    from tinysam2.destinations import check_apart
    from tinysam2.tracking import check_tracking_output, track_clip

    check_tracking_output(output)
    check_apart(output, (clip, mask, artifacts, checkpoint))
    opened = open_clip(clip)
    prompts = read_prompts(points, box, mask, opened)
    config = preset or PRESETS[DEFAULT_PRESET]
    with (
        shown_steps() as steps,
        _model(runtime, artifacts, config, checkpoint, precision, steps) as model,
    ):
        tracked = track_clip(model.backend, opened, prompts, output, steps)

    if as_json:
        click.echo(json.dumps(_summary(clip, model, tracked, output), indent=2))
    else:
        click.echo(_sentences(model, tracked, output))


def _check_model_options(
    runtime: Target | None,
    artifacts: Path | None,
    preset: ModelConfig | None,
    checkpoint: Path | None,
    precision: str | None,
) -> None:
    if runtime is None:
        if artifacts:
            raise InputError("torch runs the float model; leave --artifacts out, or name another backend")
        if precision not in (None, "fp32"):
            raise InputError(f"torch runs in fp32, not in '{precision}'; leave --precision out")
        return
    checked_precision(runtime, precision)
    runtime.require_installed()
    if artifacts is None:
        return
    if checkpoint:
        raise InputError("artifacts hold their weights already; give --artifacts or --checkpoint, not both")

    from models.artifacts import read_card

    card = read_card(artifacts, runtime)
    if preset and preset.name != card.preset:
        raise InputError(f"the artifacts in {artifacts} belong to preset {card.preset}, not {preset.name}")
    if precision and precision != card.precision:
        raise InputError(f"the artifacts in {artifacts} are {card.precision}, not {precision}")


def _model(
    runtime: Target | None,
    artifacts: Path | None,
    config: ModelConfig,
    checkpoint: Path | None,
    precision: str | None,
    steps: "Steps",
) -> AbstractContextManager["RunnableModel"]:
    from tinysam2.runnable import converted_model, float_model, model_of_artifacts

    steps.begin("loading the model")
    if runtime is None:
        return nullcontext(float_model(config, checkpoint))
    if artifacts:
        return nullcontext(model_of_artifacts(runtime, artifacts))
    return converted_model(runtime, config, checkpoint, checked_precision(runtime, precision), steps)


def _summary(clip: Path, model: "RunnableModel", tracked: "TrackedClip", output: Path) -> dict[str, object]:
    return {
        "clip": str(clip),
        "backend": model.backend.target,
        "runtime": model.backend.runtime,
        "preset": model.backend.config.name,
        "precision": model.precision,
        "weights": model.weights,
        "trained": model.trained,
        **asdict(tracked),
        "output": str(output),
    }


def _sentences(model: "RunnableModel", tracked: "TrackedClip", output: Path) -> str:
    objects = f"{tracked.objects} object{'s' if tracked.objects > 1 else ''}"
    trained = "" if model.trained else "; untrained weights"
    return (
        f"{model.backend.config.name} {model.precision}, run by {model.backend.runtime}{trained}\n"
        f"{output}: {tracked.frames} frames, {objects}, {tracked.milliseconds_per_frame:.1f} ms per frame, "
        f"bank {tracked.bank_bytes:,} bytes"
    )
