"""`tinysam2 sensitivity`: what quantizing each layer alone costs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from tinysam2.core.files import check_output_file
from tinysam2.inputs.options import (
    FILE_OR_FOLDER,
    GivenModel,
    grouped,
    json_option,
    model_weights_options,
    videos_options,
)
from tinysam2.inputs.training import GivenVideos, read_videos

SHOWN = 15
"""Layers in the table on the terminal; the JSON has all."""


sequences_option = click.option(
    "--sequences", type=click.IntRange(min=1), default=4, show_default=True, help="Sequences to judge by."
)
first_frames_option = click.option(
    "--frames", type=click.IntRange(min=2), default=8, show_default=True, help="First frames of each."
)
recipe_output_option = click.option(
    "--output", type=FILE_OR_FOLDER, metavar="FILE", help="Where the recipe goes, as JSON."
)
plot_option = click.option("--plot", type=FILE_OR_FOLDER, metavar="PNG", help="Where a plot of all layers goes.")


@dataclass(frozen=True)
class GivenSample:
    """What layers are judged by: the first frames of the first sequences."""

    sequences: int
    frames: int


@dataclass(frozen=True)
class GivenOutputs:
    """Where results go. output: the recipe; plot: of all layers; as_json: in place of the table."""

    output: Path | None
    plot: Path | None
    as_json: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are written."""
        return tuple(path for path in (self.output, self.plot) if path)


@click.command(short_help="Rank layers by what quantizing each costs.")
@videos_options
@model_weights_options
@click.option("--recipe", type=FILE_OR_FOLDER, metavar="FILE", help="Rules to begin with.  [default: quantize's]")
@grouped("sample", GivenSample, {"sequences": sequences_option, "frames": first_frames_option})
@click.option(
    "--least-iou",
    type=click.FloatRange(0, 1),
    default=0.97,
    show_default=True,
    help="A layer that alone brings mask IoU below this stays in float.",
)
@grouped("results", GivenOutputs, {"output": recipe_output_option, "plot": plot_option, "as_json": json_option})
def command(
    videos: GivenVideos,
    given: GivenModel,
    recipe: Path | None,
    sample: GivenSample,
    least_iou: float,
    results: GivenOutputs,
) -> None:
    """Quantize each layer alone, after calibration, and compare the tracked masks with the float model's.

    SQNR is of the mask logits. The recipe leaves the most sensitive layers in float, for `quantize --recipe`.

    \b
    Example:
      tinysam2 sensitivity --data davis2016/train --output recipe.json --plot layers.png
    """
    for path in results.files:
        check_output_file(path)

    from tinysam2.data.sequence import FirstFrames
    from tinysam2.inputs.destinations import check_apart
    from tinysam2.mobile_runtime.torch_backend import TorchBackend
    from tinysam2.mobile_runtime.tracker import Tracker
    from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, read_recipe
    from tinysam2.models.training.quantized import Calibration, calibrated_model
    from tinysam2.models.training.sensitivity import layer_costs, share_in_int8, sparing
    from tinysam2.models.training.sensitivity_plot import draw_costs
    from tinysam2.models.training.settings import Stage, TrainingSettings
    from tinysam2.models.weights.checkpoint import load_model
    from tinysam2.views.console import print_table, shown_steps

    rules = read_recipe(recipe) if recipe else DEFAULT_RECIPE
    for path in results.files:
        check_apart(path, (*videos.folders, given.checkpoint))
    settings = TrainingSettings(batch_frames=16, parts=1, curriculum=(Stage(1.0, 4, 1.0),))
    with shown_steps() as steps:
        steps.begin("reading the data")
        training, _ = read_videos(videos)
        loaded = load_model(given.preset, given.checkpoint)
        how = Calibration(progress=steps.counter("calibrating"))
        variant = calibrated_model(loaded, rules, training, settings, how)
        judged_by = [FirstFrames(video, sample.frames) for video in training[: sample.sequences]]
        counter = steps.counter("quantizing one layer after the other")
        costs = layer_costs(variant, judged_by, lambda model: Tracker(TorchBackend(model)), counter)
        spared = sparing(rules, costs, least_iou)
        share = share_in_int8(loaded.model, spared)
        if results.output:
            spared.write(results.output)
        if results.plot:
            steps.begin("drawing the costs")
            draw_costs(costs, least_iou, results.plot)

    if results.as_json:
        about = {"least_iou": least_iou, "share_in_int8": share}
        click.echo(json.dumps({**about, "layers": [asdict(cost) for cost in costs]}, indent=2))
        return
    rows = [
        (f"{cost.program}.{cost.layer}", f"{cost.parameters:,}", f"{cost.sqnr_db:.1f}", f"{cost.mask_iou:.4f}")
        for cost in costs[:SHOWN]
    ]
    click.echo(f"the {min(SHOWN, len(costs))} most sensitive of {len(costs)} layers, each quantized alone")
    print_table(("layer", "weights", "SQNR dB", "mask IoU"), rows)
    left = len(spared.rules) - len(rules.rules)
    click.echo(f"left in float: {left} layers; in int8: {share:.1%} of weights")
    if results.output:
        click.echo(f"recipe: {results.output}")
