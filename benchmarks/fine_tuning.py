"""What ablations share: every row is fine-tuned in the same way and evaluated from each object's first mask."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from tinysam2.core.config import ModelConfig
from tinysam2.core.files import write_text
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.inputs.options import grouped, preset_option
from tinysam2.inputs.training import figures_in_words
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.training.parallel import Execution
from tinysam2.models.training.run_folder import RunFolder, described
from tinysam2.models.training.settings import Stage, TrainingSettings
from tinysam2.models.training.trainer import train
from tinysam2.models.weights.checkpoint import weights_digest
from tinysam2.scoring.evaluation import evaluate_sequences
from tinysam2.scoring.scores import DatasetScore
from tinysam2.views.console import Steps

CURRICULUM = (Stage(0.5, 4, 0.7), Stage(0.5, 6, 0.9))
"""Long clips at the end: a bank of seven slots says little on four frames."""

FOLDER = click.Path(path_type=Path)
EXISTING = click.Path(path_type=Path, exists=True)


@dataclass(frozen=True)
class FineTuning:
    """What every row is trained with."""

    steps: int
    learning_rate: float

    def settings(self) -> TrainingSettings:
        return TrainingSettings(
            steps=self.steps,
            learning_rate=self.learning_rate,
            warmup=20,
            ema=0.99,
            curriculum=CURRICULUM,
            mixed_precision=True,
        )

    def run(self, row: str, model: TinySAM2, videos: Sequence[AnnotatedSequence], folder: Path, shown: Steps) -> Path:
        """The file of the weights that training the model comes to; a run that was stopped goes on."""
        settings, run = self.settings(), RunFolder(folder)
        about = {"begins_with": weights_digest(model.state_dict()), "config": asdict(model.config)}
        run.open(described(settings, **about, sequences=[video.name for video in videos]))
        show = shown.measured(f"training {row}", settings.steps)
        execution = Execution(progress=lambda at: show(at.step, figures_in_words(at.figures)))
        return train(model, tuple(videos), settings, run, execution=execution)


@dataclass(frozen=True)
class Ablation:
    """What the command line asks for. only: rows to run; none: all of them."""

    train: Path
    test: Path
    checkpoint: Path
    output: Path
    preset: ModelConfig
    only: tuple[str, ...]

    def runs(self, row: str) -> bool:
        return not self.only or row in self.only


def ablation_options(command: Callable) -> Callable:
    """The options of an ablation, as `ablation`, an `Ablation`, and `fine_tuning`, a `FineTuning`."""
    rows = {
        "train": click.option("--train", type=EXISTING, required=True, metavar="DIR"),
        "test": click.option("--test", type=EXISTING, required=True, metavar="DIR"),
        "checkpoint": click.option("--checkpoint", type=EXISTING, required=True, metavar="FILE"),
        "output": click.option("--output", type=FOLDER, required=True, metavar="DIR"),
        "preset": preset_option(),
        "only": click.option("--only", multiple=True, metavar="ROW", help="Rows to run; without it, all."),
    }
    training = {
        "steps": click.option("--steps", default=300, show_default=True, help="Of fine-tuning, for every row."),
        "learning_rate": click.option("--learning-rate", default=2e-4, show_default=True),
    }
    return grouped("ablation", Ablation, rows)(grouped("fine_tuning", FineTuning, training)(command))


Row = TypeVar("Row")


def write_row(output: Path, row: Any) -> None:
    """Writes a finished row, a dataclass with a name."""
    write_text(output / "rows" / f"{folder_name(row.name)}.json", json.dumps(asdict(row), indent=2) + "\n")


def finished_rows(output: Path, kind: type[Row], names: Iterable[str]) -> list[Row]:
    """The rows of these names that were written."""
    files = (output / "rows" / f"{folder_name(name)}.json" for name in names)
    return [kind(**json.loads(file.read_text())) for file in files if file.exists()]


def mean_scores(model: TinySAM2, tests: Sequence[AnnotatedSequence], masks: Path, shown: Steps) -> Mapping[str, float]:
    """J, F and JF from 0 to 1, tracked from each object's first mask; the masks are kept in a folder."""
    backend = TorchBackend(model)
    with one_thread():
        scores = evaluate_sequences(partial(Tracker, backend), tests, masks, "mask", shown.counted)
        return DatasetScore(tuple(scores)).to_json()["mean"]


def folder_name(row: str) -> str:
    """A row's name without what file systems mind."""
    return row.replace("%", "").replace(", ", "-").replace(" ", "-").replace("/", "-")
