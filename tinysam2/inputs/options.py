"""Options that several commands share, checked as they are parsed."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tinysam2.core.config import PRESETS, ModelConfig, preset
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.core.errors import InputError
from tinysam2.core.leftovers import recover
from tinysam2.core.targets import TARGETS, TORCH, target
from tinysam2.inputs.training import DEVICES, GivenMachine, GivenVideos

DEFAULT_PRESET = "nano"


class _Given(click.Path):
    """A path; what a killed command had moved aside, or begun to put in place, is put right first."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, parameter, context)))
        with suppress(OSError):
            recover(path.resolve().parent)
        return path


FILE_OR_FOLDER = _Given(path_type=Path)

STDOUT = Path("-")
"""Where a file is asked for: standard output."""

ALL = "all"
"""Where a program or a platform is asked for: every one."""

PLOT = "located.png"
"""Where `validate --locate` draws the errors, in the folder of the artifacts."""


class Named(click.ParamType):
    """An entry of a registry, given by its name; the registry says in its own words what it has not got.

    lookup: name -> entry. names: those there are, asked for when help is shown, so that entries may come later.
    """

    name = "name"

    def __init__(self, lookup: Callable[[str], object], names: Callable[[], Iterable[str]]) -> None:
        self.lookup, self.names = lookup, names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        shown = "|".join(self.names())
        return f"{{{shown}}}" if isinstance(param, click.Argument) else f"[{shown}]"

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


def backends() -> tuple[str, ...]:
    """Every runtime: the float model's, and the targets'."""
    return (TORCH, *TARGETS)


def backend(name: str) -> str:
    """The name of a runtime; `InputError` names the ones there are."""
    if name not in backends():
        raise InputError(f"unknown backend '{name}'; the backends are {', '.join(backends())}")
    return name


def precisions() -> tuple[str, ...]:
    """Every precision that a target has."""
    return tuple(dict.fromkeys(name for entry in TARGETS.values() for name in entry.precisions))


TARGET = Named(target, lambda: TARGETS)
"""A target's name, as its entry."""


def preset_option(default: str | None = DEFAULT_PRESET):
    """`--preset NAME`, as a `ModelConfig`; None: no default, so that an explicit one can be told."""
    return click.option(
        "--preset",
        type=Named(preset, lambda: PRESETS),
        default=default,
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
    type=Named(str, precisions),
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

json_destination_option = click.option(
    "--json",
    "json_file",
    type=FILE_OR_FOLDER,
    is_flag=False,
    flag_value=str(STDOUT),
    metavar="[FILE]",
    help="Print the result as JSON, or write it to FILE beside the table.",
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

hold_out_option = click.option(
    "--hold-out", metavar="NAME,...", help="Sequences to track now and then instead of training on them."
)

workers_option = click.option(
    "--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Processes preparing clips."
)

device_option = click.option(
    "--device", metavar=choices(DEVICES), help="Where to train.  [default: cuda, if there is one]"
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

prompts_file_option = click.option(
    "--prompts",
    "file",
    type=FILE_OR_FOLDER,
    metavar="FILE.json",
    help="Prompts and removals on any frame instead, as JSON; the form is in docs/tracking.md.",
)


def grouped(parameter: str, kind: Callable, options: Mapping[str, Callable]) -> Callable[[Callable], Callable]:
    """Several options as one decorator: the command gets `parameter`, a `kind` made of their values by name."""

    def add(command: Callable) -> Callable:
        @wraps(command)
        def run(**given: object) -> object:
            values = {name: given.pop(name) for name in options}
            return command(**given, **{parameter: kind(**values)})

        return _all_of(tuple(options.values()))(run)

    return add


def _all_of(options: Sequence[Callable]) -> Callable[[Callable], Callable]:
    """Several options as one decorator, in their order."""

    def add(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class GivenModel:
    """Whose weights a command takes. checkpoint: None: those that are shipped with the preset, else seeded ones."""

    preset: ModelConfig
    checkpoint: Path | None


model_weights_options = grouped("given", GivenModel, {"preset": preset_option(), "checkpoint": checkpoint_option})
"""`--preset` and `--checkpoint`, as `given`, a `GivenModel`."""

videos_options = grouped("videos", GivenVideos, {"folders": training_data_option, "split": split_option})
"""`--data` and `--split`, as `videos`, a `GivenVideos`."""

training_videos_options = grouped(
    "videos", GivenVideos, {"folders": training_data_option, "split": split_option, "hold_out": hold_out_option}
)
"""`--data`, `--split` and `--hold-out`, as `videos`, a `GivenVideos`."""


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
        click.option("--seed", type=int, default=0, show_default=True, help="Of everything random."),
        grouped("machine", GivenMachine, {"workers": workers_option, "device": device_option}),
    )
    return _all_of(options)


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


locate_option = click.option(
    "--locate",
    is_flag=False,
    flag_value=ALL,
    type=click.Choice((ALL, IMAGE_ENCODER, MEMORY_ATTENTION, MASK_DECODER, MEMORY_ENCODER)),
    metavar="[PROGRAM]",
    help="Name the first layer of each program, or of this one, whose local error exceeds the threshold, and plot the "
    f"errors by layer into ARTIFACTS/{PLOT}.",
)


@dataclass(frozen=True)
class GivenMemoryCheck:
    """How memory is judged. budget: a file of limits; measure: whether fresh processes are measured too."""

    budget: Path | None
    measure: bool


def memory_options(measured: bool) -> Callable[[Callable], Callable]:
    """`--budget` and `--measure`, as `memory`, a `GivenMemoryCheck`. measured: the default of `--measure`."""
    return grouped("memory", GivenMemoryCheck, {"budget": budget_option, "measure": measure_option(measured)})
