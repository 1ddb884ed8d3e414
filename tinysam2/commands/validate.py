"""`tinysam2 validate`: artifacts held against the float model."""

import json
import sys
from pathlib import Path

import click

from models.errors import InputError
from tinysam2.commands.options import (
    FILE_OR_FOLDER,
    checkpoint_option,
    frames_option,
    json_option,
    prompt_options,
)


@click.command(short_help="Check artifacts against the float model.")
@click.argument("artifacts", type=FILE_OR_FOLDER)
@click.option(
    "--clip",
    type=FILE_OR_FOLDER,
    metavar="CLIP",
    help="A video file or a folder of frames; without it, the embedded sample clip.",
)
@prompt_options
@checkpoint_option
@frames_option
@click.option(
    "--report",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="Where the JSON report goes.  [default: ARTIFACTS/report.json]",
)
@json_option
def command(
    artifacts: Path,
    clip: Path | None,
    points: tuple[tuple[float, ...], ...],
    box: tuple[float, ...] | None,
    mask: Path | None,
    checkpoint: Path | None,
    frames: int | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Hold every artifact in the folder ARTIFACTS against the float model, and give each gate's verdict.

    Each program runs on the inputs that the float model met on the clip, and each artifact tracks the clip with a
    memory bank of its own. A CLIP with masks/ beside frames/ is prompted with its first mask unless a prompt is
    given. Exit status: 0 passed, 1 a gate failed, 2 bad input.

    \b
    Example:
      tinysam2 validate artifacts
      tinysam2 validate artifacts --clip coffee.mp4 --point 640,360 --json
    """
    from models.files import check_output_file
    from tinysam2.console import shown_steps
    from tinysam2.prompting import check_one_kind_of_prompt, first_mask_of, read_prompts
    from tinysam2.validation_view import print_report
    from validation.validate import read_cards

    check_one_kind_of_prompt(points, box, mask)
    if clip is None and (points or box or mask):
        raise InputError("the embedded clip brings its own prompt; give --clip with a prompt, or neither")
    cards = read_cards(artifacts)
    for card in cards:
        card.target_entry.require_installed()
    report = report or artifacts / "report.json"
    check_output_file(report)
    if clip and not (points or box or mask):
        mask = first_mask_of(clip)

    from mobile_runtime.media.clips import open_clip
    from models.checkpoint import load_model
    from validation.validate import sample_input, validate_artifacts

    if clip is None:
        opened, prompts = sample_input()
    else:
        opened = open_clip(clip)
        prompts = read_prompts(points, box, mask, opened)
    with shown_steps() as steps:
        steps.begin("loading the models")
        loaded = load_model(cards[0].config, checkpoint)
        result = validate_artifacts(loaded, artifacts, opened, prompts, frames, steps.counter("validating"))
    result.write(report)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    else:
        print_report(result)
        click.echo(f"report: {report}")
    sys.exit(0 if result.passed else 1)
