"""What the commands that train or calibrate take from the command line, checked."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinysam2.core.errors import InputError
from tinysam2.core.launching import by_torchrun

if TYPE_CHECKING:
    import torch

    from tinysam2.data.sequence import AnnotatedSequence
    from tinysam2.models.training.parallel import TrainedStep
    from tinysam2.models.training.settings import Stage
    from tinysam2.views.console import Steps

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class GivenVideos:
    """The data that the command line names. folders: of data sets; split: of each; hold_out: names with commas
    between, of sequences that are not trained on."""

    folders: tuple[Path, ...]
    split: str | None
    hold_out: str | None = None


@dataclass(frozen=True)
class GivenMachine:
    """What a run may use. workers: processes that prepare clips; device: None: a GPU if there is one."""

    workers: int
    device: str | None


def read_videos(
    given: GivenVideos,
) -> tuple[tuple["AnnotatedSequence", ...], tuple["AnnotatedSequence", ...]]:
    """The sequences to train on and those held out.

    Raises InputError where a data set cannot be read or has no sequence of such a name.
    """
    from tinysam2.data.datasets import open_dataset

    sequences = tuple(sequence for folder in given.folders for sequence in open_dataset(folder, given.split))
    names = {name for name in (given.hold_out or "").split(",") if name}
    unknown = names - {sequence.name for sequence in sequences}
    if unknown:
        raise InputError(f"--hold-out names {', '.join(sorted(unknown))}, which the data does not have")
    held = tuple(sequence for sequence in sequences if sequence.name in names)
    return tuple(sequence for sequence in sequences if sequence.name not in names), held


def read_stages(text: str) -> tuple["Stage", ...]:
    """A curriculum, written SHARE:FRAMES:REAL with commas between its stages. Raises InputError for anything else."""
    from tinysam2.models.training.settings import Stage

    try:
        parts = [part.split(":") for part in text.split(",")]
        return tuple(Stage(float(share), int(frames), float(real)) for share, frames, real in parts)
    except ValueError as error:
        wanted = "SHARE:FRAMES:REAL,..., as in 0.5:3:0.4,0.5:4:0.6"
        raise InputError(f"--curriculum '{text}' is not {wanted} ({error})") from error


def chosen_device(name: str | None) -> "torch.device":
    """A device by its name; None: a GPU if there is one. Raises InputError where there is no such device."""
    import torch

    found = torch.cuda.is_available()
    if name not in (None, *DEVICES):
        raise InputError(f"unknown device '{name}'; the devices are {', '.join(DEVICES)}")
    if name == "cuda" and not found:
        raise InputError("there is no CUDA device; leave --device out to train on the CPU")
    if name == "cpu" or not found:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]) if by_torchrun() else 0)


def described_data(
    given: GivenVideos, training: Iterable["AnnotatedSequence"], held_out: Iterable["AnnotatedSequence"]
) -> dict[str, object]:
    """What a run's description says of its data."""
    return {
        "data": [str(folder.resolve()) for folder in given.folders],
        "split": given.split,
        "sequences": [sequence.name for sequence in training],
        "held_out": [sequence.name for sequence in held_out],
    }


def names_of_data(given: GivenVideos) -> tuple[str, ...]:
    """What a checkpoint says of its data: each folder's last two names (`davis2016/train`), and the split."""
    split = f" {given.split}" if given.split else ""
    return tuple("/".join(folder.resolve().parts[-2:]) + split for folder in given.folders)


class ShownTraining:
    """Shows each step of a run, and keeps the last one's figures."""

    def __init__(self, steps: "Steps", total: int) -> None:
        self.figures: Mapping[str, float] = {}
        self._show = steps.measured("training", total)

    def __call__(self, trained: "TrainedStep") -> None:
        self.figures = trained.figures
        self._show(trained.step, figures_in_words(trained.figures))


def figures_in_words(figures: Mapping[str, float]) -> str:
    """The figures that say how a run is doing."""
    shown = {"loss": "loss", "j": "J", "held_out_j": "held-out J"}
    return ", ".join(f"{title} {figures[name]:.3f}" for name, title in shown.items() if name in figures)
