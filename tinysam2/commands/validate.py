"""`tinysam2 validate`: artifacts held against the float model."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from tinysam2.core.errors import InputError
from tinysam2.core.targets import INT8
from tinysam2.inputs.options import (
    ALL,
    FILE_OR_FOLDER,
    PLOT,
    GivenMemoryCheck,
    checkpoint_option,
    frames_option,
    grouped,
    json_option,
    locate_option,
    memory_options,
    split_option,
)
from tinysam2.inputs.prompts import GivenPrompts, first_mask_of, prompt_options

clip_option = click.option(
    "--clip",
    type=FILE_OR_FOLDER,
    metavar="CLIP",
    help="A video file or a folder of frames; without it and --data, the embedded sample clip.",
)
data_option = click.option(
    "--data",
    type=FILE_OR_FOLDER,
    metavar="DIR",
    help="A data set with its masks instead: every sequence is played, prompted by each object's first mask.",
)
report_option = click.option(
    "--report",
    "reports",
    type=FILE_OR_FOLDER,
    multiple=True,
    metavar="FILE",
    help="Where a report goes; .html, .json, .md or .xml (JUnit) says in which form. Repeatable.  "
    "[default: ARTIFACTS/report.json and report.html]",
)


@dataclass(frozen=True)
class GivenClips:
    """What artifacts are validated on: a clip, a data set's split, or neither, which is the embedded clip; of each its
    first frames, where frames is not None."""

    clip: Path | None
    data: Path | None
    split: str | None
    frames: int | None


@dataclass(frozen=True)
class GivenReports:
    """reports: where they go; as_json: whether the result is printed as JSON."""

    reports: tuple[Path, ...]
    as_json: bool


@click.command(short_help="Check artifacts against the float model.")
@click.argument("artifacts", type=FILE_OR_FOLDER)
@grouped(
    "clips", GivenClips, {"clip": clip_option, "data": data_option, "split": split_option, "frames": frames_option}
)
@prompt_options
@checkpoint_option
@memory_options(measured=False)
@locate_option
@grouped("results", GivenReports, {"reports": report_option, "as_json": json_option})
def command(
    artifacts: Path,
    clips: GivenClips,
    prompts: GivenPrompts,
    checkpoint: Path | None,
    memory: GivenMemoryCheck,
    locate: str | None,
    results: GivenReports,
) -> None:
    """Hold every artifact in the folder ARTIFACTS against the float model, and give each gate's verdict.

    Each program runs on the inputs that the float model met on the clips, and each artifact tracks them with a memory
    bank of its own. A CLIP with masks/ beside frames/ is prompted with its first mask unless a prompt is given. Where
    the truth is known, as in a data set and in the embedded clip, the artifact's J&F must not fall behind the float
    model's. int8 artifacts are held against the quantized model that --checkpoint holds, and their integers are read
    back and compared with it. Memory is held to a budget; whether it grows is checked with --measure. Exit status: 0
    passed, 1 a gate failed, 2 bad input.

    \b
    Example:
      tinysam2 validate artifacts
      tinysam2 validate artifacts --clip coffee.mp4 --point 640,360 --json
      tinysam2 validate artifacts --data DAVIS --split val --frames 12
      tinysam2 validate artifacts --budget budget.json --measure
      tinysam2 validate artifacts --report report.html --report junit.xml
      tinysam2 validate artifacts --checkpoint int8.safetensors
      tinysam2 validate artifacts --locate
      tinysam2 validate artifacts --locate mask_decoder
    """
    from tinysam2.core.files import check_output_file
    from tinysam2.validation.memory.budget import read_budget
    from tinysam2.validation.reporting.formats import check_report_file, write_report
    from tinysam2.validation.validate import read_cards
    from tinysam2.views.console import shown_steps
    from tinysam2.views.locating import print_located
    from tinysam2.views.validation import print_report

    clip, data = clips.clip, clips.data
    if data and (clip or prompts.any):
        raise InputError("a data set brings its clips and prompts; give --data alone, or --clip with a prompt")
    if clips.split and data is None:
        raise InputError("--split chooses among a data set's; give it with --data, or leave it out")
    if clip is None and prompts.any:
        raise InputError("the embedded clip brings its own prompt; give --clip with a prompt, or neither")
    cards = read_cards(artifacts)
    for card in cards:
        card.target_entry.require_installed()
    limits = read_budget(memory.budget, cards[0].preset)
    reports = results.reports or (artifacts / "report.json", artifacts / "report.html")
    for report in reports:
        check_report_file(report)
    int8 = cards[0].precision == INT8
    if locate and int8:
        raise InputError("--locate follows float values, and these artifacts are int8; leave --locate out")
    if locate:
        check_output_file(artifacts / PLOT)
        if all(card.target_entry.value_reader is None for card in cards):
            raise InputError(
                f"--locate needs intermediate values, which are not available of {', '.join(c.target for c in cards)}; "
                "leave --locate out"
            )
    if clip and not prompts.any:
        prompts = GivenPrompts(mask=first_mask_of(clip))
    # Its own masks are of its frames by their names, and the first may be a later frame's.
    start = prompts.frame(clip) if clip else 0

    from tinysam2.converters.export import export_programs
    from tinysam2.core.silencing import silenced
    from tinysam2.data.clips import open_clip
    from tinysam2.data.datasets import open_dataset
    from tinysam2.models.weights.checkpoint import load_model
    from tinysam2.validation.locating.workflow import locate_layers
    from tinysam2.validation.parity.scenes import sample_scene, scene_of_clip, scene_of_sequence
    from tinysam2.validation.reporting.gallery import Gallery
    from tinysam2.validation.validate import measure_memory, validate_artifacts

    if data:
        scenes = [scene_of_sequence(sequence, clips.frames) for sequence in open_dataset(data, clips.split)]
    elif clip:
        opened = open_clip(clip)
        scenes = [scene_of_clip(opened, prompts.read(opened), clips.frames, start)]
    else:
        scenes = [sample_scene(clips.frames)]
    gallery = Gallery()
    with shown_steps() as steps:
        steps.begin("loading the models")
        loaded = load_model(cards[0].config, checkpoint, quantized=int8)
        result = validate_artifacts(
            loaded,
            artifacts,
            scenes,
            steps.counted,
            limits,
            (lambda: measure_memory(loaded, artifacts, steps.counter)) if memory.measure else dict,
            gallery,
        )
        located = []
        if locate:
            steps.begin("exporting the float model")
            with silenced():
                exported = {
                    program.name: program.graph
                    for program in export_programs(loaded.model)
                    if locate in (ALL, program.name)
                }
            located = locate_layers(loaded.model, exported, cards, artifacts, scenes[0], artifacts / PLOT, steps.begin)
    found = result.to_json() | ({"located": [errors.to_json() for errors in located]} if locate else {})
    for report in reports:
        write_report(report, found, gallery.shots())
    if results.as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        print_report(result)
        if locate:
            print_located(located, artifacts / PLOT)
            for card in cards:
                if card.target_entry.value_reader is None:
                    click.echo(f"{card.target}'s values: not available")
        for report in reports:
            click.echo(f"report: {report}")
    sys.exit(0 if result.passed else 1)
