"""Options that several commands share, checked as they are parsed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from tinysam2.core.config import PRESETS, preset
from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS
from tinysam2.inputs.training import DEVICES

DEFAULT_PRESET = "nano"

TORCH = "torch"
BACKENDS = (TORCH, *TARGETS)

PRECISIONS = tuple(dict.fromkeys(name for target in TARGETS.values() for name in target.precisions))

FILE_OR_FOLDER = click.Path(path_type=Path)

STDOUT = Path("-")
"""Where a file is asked for: standard output."""


class Named(click.ParamType):
    """An entry of a registry, given by its name; the registry says in its own words what it has not got."""

    name = "name"

    def __init__(self, lookup: Callable[[str], object]) -> None:
        self.lookup = lookup

    def convert(self, value: object, parameter: click.Parameter | None, context: click.Context | None) -> object:
        return self.lookup(value) if isinstance(value, str) else value


class Coordinates(click.ParamType):
    """Numbers with commas between them, as a tuple of floats.

    counts: how many there may be; a third is a label, 0 or 1. wanted: what is said where they are not that.
    """

    name = "coordinates"

    def __init__(self, counts: tuple[int, ...], wanted: str) -> None:
        self.counts, self.wanted = counts, wanted

    def convert(
        self, value: str, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[float, ...]:
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) not in self.counts or (len(numbers) == 3 and numbers[2] not in (0, 1)):
            raise InputError(f"{parameter.opts[0] if parameter else self.name} '{value}' is not {self.wanted}")
        return numbers


def choices(names) -> str:
    """Names as a help text shows them: [a|b|c]."""
    return f"[{'|'.join(names)}]"


def backend(name: str) -> str:
    """The name of a runtime; `InputError` names the ones there are."""
    if name not in BACKENDS:
        raise InputError(f"unknown backend '{name}'; the backends are {', '.join(BACKENDS)}")
    return name


def preset_option(default: str | None = DEFAULT_PRESET):
    """`--preset NAME`, as a `ModelConfig`; None: no default, so that an explicit one can be told."""
    return click.option(
        "--preset",
        type=Named(preset),
        default=default,
        metavar=choices(PRESETS),
        show_default=True if default else DEFAULT_PRESET,
        help="The model's size.",
    )


checkpoint_option = click.option(
    "--checkpoint",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="Weights as .safetensors; without it, those shipped with the preset, else seeded ones.",
)

precision_option = click.option(
    "--precision",
    metavar=choices(PRECISIONS),
    help="Of the artifact; each target has its own default and not every target has each.",
)

artifacts_option = click.option(
    "--artifacts",
    type=FILE_OR_FOLDER,
    metavar="DIR",
    help="Folder that `tinysam2 convert` wrote; without it the model is converted first.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

json_file_option = click.option(
    "--json",
    "json_file",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="Where the scores go as JSON, by sequence, object and frame; - prints them in place of the table.",
)

data_option = click.option(
    "--data", type=FILE_OR_FOLDER, metavar="DIR", required=True, help="The data set, with its masks."
)

training_data_option = click.option(
    "--data",
    "folders",
    type=FILE_OR_FOLDER,
    multiple=True,
    required=True,
    metavar="DIR",
    help="A data set with its masks; may be given several times.",
)

split_option = click.option(
    "--split", metavar="NAME", help="Of the data set, as in train or val; needed where it has several."
)

frames_option = click.option(
    "--frames", type=click.IntRange(min=1), metavar="N", help="Take only the first N frames of the clip."
)

point_option = click.option(
    "--point",
    "points",
    type=Coordinates((2, 3), "x,y in pixels, or x,y,1 on the object and x,y,0 beside it, as in 120,80"),
    multiple=True,
    metavar="X,Y[,0|1]",
    help="A click on the object (1, the default) or beside it (0), in pixels of the first frame; up to four.",
)

box_option = click.option(
    "--box",
    type=Coordinates((4,), "left,top,right,bottom in pixels, as in 40,30,200,160"),
    metavar="X0,Y0,X1,Y1",
    help="A box around the object, in pixels of the first frame; counts as two points.",
)

mask_option = click.option(
    "--mask",
    type=FILE_OR_FOLDER,
    metavar="PNG",
    help="A mask of the first frame instead; each object id in it is tracked.",
)


def prompt_options(command: Callable) -> Callable:
    """`--point`, `--box` and `--mask`, as `points`, `box` and `mask`."""
    return _all_of((point_option, box_option, mask_option))(command)


def model_options(default_backend: str | None = None) -> Callable[[Callable], Callable]:
    """`--backend`, `--artifacts`, `--preset`, `--checkpoint` and `--precision`: the fields of a `ModelChoice`.

    default_backend: None where the runtime must be named.
    """
    backend_option = click.option(
        "--backend",
        type=Named(backend),
        metavar=choices(BACKENDS),
        required=default_backend is None,
        default=default_backend,
        show_default=default_backend is not None,
        help="Runtime.",
    )
    options = (backend_option, artifacts_option, preset_option(default=None), checkpoint_option, precision_option)
    return _all_of(options)


def run_options(steps: int, learning_rate: float, curriculum: str) -> Callable[[Callable], Callable]:
    """The options of every run that trains: how long, on what clips, how fast, where; with the run's own defaults."""
    options = (
        click.option("--steps", type=int, default=steps, show_default=True, help="Optimiser steps."),
        click.option("--batch-frames", type=int, default=24, show_default=True, help="Frames in a step."),
        click.option(
            "--parts",
            type=int,
            default=2,
            show_default=True,
            help="Parts of a batch; processes must share them evenly.",
        ),
        click.option(
            "--learning-rate",
            type=float,
            default=learning_rate,
            show_default=True,
            help="Peak, after the warm-up.",
        ),
        click.option(
            "--curriculum",
            default=curriculum,
            show_default=True,
            metavar="SHARE:FRAMES:REAL,...",
            help="Stages: share of the steps, frames of a clip, share of clips that are real video.",
        ),
        click.option(
            "--hold-out", metavar="NAME,...", help="Sequences to track now and then instead of training on them."
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Of everything random."),
        click.option(
            "--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Processes preparing clips."
        ),
        click.option("--device", metavar=choices(DEVICES), help="Where to train.  [default: cuda, if there is one]"),
    )
    return _all_of(options)


def _all_of(options: Sequence[Callable]) -> Callable[[Callable], Callable]:
    """Several options as one decorator, in their order."""

    def add(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return add


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
