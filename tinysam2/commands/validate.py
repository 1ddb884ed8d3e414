"""`tinysam2 validate`: artifacts held against the float model."""

import json
import sys
from collections.abc import Callable
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

budget_option = click.option(
    "--budget",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="Memory limits in MiB as JSON: bank, activations, weights, total, growth_over_300_frames; those that it "
    "leaves out are the preset's.",
)


def measure_option(default: bool) -> Callable:
    """`--measure`, as a flag with either default."""
    return click.option(
        "--measure/--no-measure",
        default=default,
        show_default=True,
        help="Measure memory and its growth over 300 frames in fresh processes (Linux).",
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
@budget_option
@measure_option(False)
@click.option(
    "--report",
    "reports",
    type=FILE_OR_FOLDER,
    multiple=True,
    metavar="FILE",
    help="Where a report goes; .html, .json, .md or .xml (JUnit) says in which form. Repeatable.  "
    "[default: ARTIFACTS/report.json and report.html]",
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
    budget: Path | None,
    measure: bool,
    reports: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Hold every artifact in the folder ARTIFACTS against the float model, and give each gate's verdict.

    Each program runs on the inputs that the float model met on the clip, and each artifact tracks the clip with a
    memory bank of its own. A CLIP with masks/ beside frames/ is prompted with its first mask unless a prompt is
    given. Memory is held to a budget; whether it grows is checked with --measure. Exit status: 0 passed, 1 a gate
    failed, 2 bad input.

    \b
    Example:
      tinysam2 validate artifacts
      tinysam2 validate artifacts --clip coffee.mp4 --point 640,360 --json
      tinysam2 validate artifacts --budget budget.json --measure
      tinysam2 validate artifacts --report report.html --report junit.xml
    """
    from tinysam2.console import shown_steps
    from tinysam2.prompting import check_one_kind_of_prompt, first_mask_of, read_prompts
    from tinysam2.validation_view import print_report
    from validation.budget import read_budget
    from validation.reporting.formats import check_report_file, write_report
    from validation.validate import read_cards

    check_one_kind_of_prompt(points, box, mask)
    if clip is None and (points or box or mask):
        raise InputError("the embedded clip brings its own prompt; give --clip with a prompt, or neither")
    cards = read_cards(artifacts)
    for card in cards:
        card.target_entry.require_installed()
    limits = read_budget(budget, cards[0].preset)
    reports = reports or (artifacts / "report.json", artifacts / "report.html")
    for report in reports:
        check_report_file(report)
    if clip and not (points or box or mask):
        mask = first_mask_of(clip)

    from mobile_runtime.media.clips import open_clip
    from models.checkpoint import load_model
    from validation.gallery import Gallery
    from validation.validate import measure_memory, sample_input, validate_artifacts

    if clip is None:
        opened, prompts = sample_input()
    else:
        opened = open_clip(clip)
        prompts = read_prompts(points, box, mask, opened)
    gallery = Gallery()
    with shown_steps() as steps:
        steps.begin("loading the models")
        loaded = load_model(cards[0].config, checkpoint)
        result = validate_artifacts(
            loaded,
            artifacts,
            opened,
            prompts,
            frames,
            steps.counter("validating"),
            limits,
            (lambda: measure_memory(loaded, artifacts, steps.counter)) if measure else dict,
            gallery,
        )
    for report in reports:
        write_report(report, result.to_json(), gallery.shots())
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    else:
        print_report(result)
        for report in reports:
            click.echo(f"report: {report}")
    sys.exit(0 if result.passed else 1)
