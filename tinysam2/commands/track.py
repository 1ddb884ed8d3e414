"""`tinysam2 track`: objects followed through a clip."""

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.errors import InputError
from tinysam2.core.launching import usable_cores
from tinysam2.inputs.options import FILE_OR_FOLDER, json_option
from tinysam2.inputs.prompts import GivenTrackPrompts, track_prompt_options
from tinysam2.inputs.runnable import ModelChoice, model_options

if TYPE_CHECKING:
    from tinysam2.inputs.runnable import RunnableModel
    from tinysam2.mobile_runtime.clip_tracking import TrackedClip


PIPELINED_FROM = 100
"""Frames from which a pipeline gains more than its processes take to start."""


@click.command(short_help="Track objects through a video.")
@click.argument("clip", type=FILE_OR_FOLDER)
@model_options()
@track_prompt_options
@click.option(
    "--output",
    type=FILE_OR_FOLDER,
    metavar="DIR|FILE.mp4",
    required=True,
    help="Folder for the masks and overlay.mp4, or the overlay video alone.",
)
@click.option(
    "--pipeline/--serial",
    default=None,
    help="Whether to read, encode and write beside the tracking, in processes on other cores; the masks are the same."
    f"  [default: for clips of {PIPELINED_FROM} frames and more, where there are two cores]",
)
@json_option
def command(
    clip: Path,
    choice: ModelChoice,
    prompts: GivenTrackPrompts,
    output: Path,
    pipeline: bool | None,
    as_json: bool,
) -> None:
    """Track what is prompted in CLIP, a video file or a folder of frames.

    --point, --box and --mask prompt the first frame; --prompts any frame. A mask in the masks/ beside CLIP's frames/
    prompts the frame that it is named after.

    Writes one index PNG mask a frame (00000.png on; a pixel's value is its object's id) and an overlay video.

    \b
    Example:
      tinysam2 track coffee.mp4 --backend torch --point 640,360 --output tracked
      tinysam2 track clip/frames --backend executorch --mask clip/masks/00000.png --output tracked.mp4
      tinysam2 track coffee.mp4 --backend torch --prompts prompts.json --output tracked
    """
    if not prompts.any:
        raise InputError("there is nothing to track; prompt the object with --point, --box, --mask or --prompts")

    from tinysam2.data.clips import open_clip
    from tinysam2.inputs.destinations import check_apart
    from tinysam2.mobile_runtime.clip_pipeline import started_pipeline
    from tinysam2.mobile_runtime.clip_tracking import check_tracking_output, track_clip
    from tinysam2.views.console import shown_steps

    check_tracking_output(output)
    check_apart(output, (clip, *prompts.files, choice.artifacts, choice.checkpoint))
    opened = open_clip(clip)
    by_frame = prompts.by_frame(clip, opened)
    pipelined = _is_pipelined(opened.frame_count) if pipeline is None else pipeline
    module = choice.backend_module
    # The stages start first, and import what they need while the model is loaded or converted.
    stages = started_pipeline(module) if pipelined and module else nullcontext()
    with shown_steps() as steps, stages as started, choice.opened(steps) as model:
        tracked = track_clip(model.backend, opened, by_frame, output, steps.counted, started)

    if as_json:
        click.echo(json.dumps(_summary(clip, model, tracked, output), indent=2))
    else:
        click.echo(_sentences(model, tracked, output))


def _is_pipelined(frames: int | None) -> bool:
    """Whether a clip of so many frames, None where its file does not say, is worth starting the stages."""
    return usable_cores() > 1 and (frames is None or frames >= PIPELINED_FROM)


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
