"""What compressing the memory costs: one pretraining, the same fine-tuning for every memory bank, then J&F.

    python -m benchmarks.memory_ablation --train davis2016/train --test davis2016/val \
        --checkpoint pretrained.safetensors --output ablation

Every row is fine-tuned from the same weights with the same clips, steps and learning rate, and evaluated on the test
data from each object's first mask. A run that was stopped goes on where it was.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import click

from tinysam2.core.config import BankConfig, ModelConfig, preset
from tinysam2.core.contract import bank_spec
from tinysam2.core.files import atomic_path, write_text
from tinysam2.core.units import KIB
from tinysam2.data.datasets import open_dataset
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.inputs.options import grouped
from tinysam2.inputs.training import figures_in_words
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.training.budgets import memory_budgets
from tinysam2.models.training.parallel import Execution
from tinysam2.models.training.run_folder import RunFolder, described
from tinysam2.models.training.settings import Stage, TrainingSettings
from tinysam2.models.training.trainer import train
from tinysam2.models.weights.checkpoint import LoadedModel, load_model
from tinysam2.scoring.evaluation import Watch, evaluate_sequences
from tinysam2.scoring.scores import DatasetScore
from tinysam2.views.console import Steps, print_table, shown_steps

CURRICULUM = (Stage(0.5, 4, 0.7), Stage(0.5, 6, 0.9))
"""Long clips at the end: a bank of seven slots says little on four frames."""


@dataclass(frozen=True)
class BankScore:
    """One memory bank and what came of it; bytes: of one object's bank in fp16, pointers included."""

    name: str
    tokens: int
    share: float
    bank_bytes: int
    quality_management: bool
    j: float
    f: float
    jf: float


def banks(config: ModelConfig) -> dict[str, BankConfig]:
    """The rows of the table, by name."""
    own = config.bank
    budgets = memory_budgets(config)
    names = list(budgets)
    pooling, compressed = names[1], f"{config.memory_token_share:.1%}"
    return {
        "dense": budgets["dense"],
        f"{pooling}, pooling alone": budgets[pooling],
        **{f"{name}, pooling and selection": budgets[name] for name in names[2:]},
        "selection alone": replace(own, spatial_pool=1),
        f"{compressed}, selection by novelty alone": replace(own, foreground_weight=0.0, boundary_weight=0.0),
        f"{compressed}, without quality management": replace(own, quality_management=False),
    }


steps_option = click.option("--steps", default=300, show_default=True, help="Of fine-tuning, for every row.")
learning_rate_option = click.option("--learning-rate", default=2e-4, show_default=True)


@dataclass(frozen=True)
class FineTuning:
    """What every row is trained with."""

    steps: int
    learning_rate: float


@click.command()
@click.option("--train", "train_on", type=click.Path(path_type=Path, exists=True), required=True, metavar="DIR")
@click.option("--test", type=click.Path(path_type=Path, exists=True), required=True, metavar="DIR")
@click.option("--checkpoint", type=click.Path(path_type=Path, exists=True), required=True, metavar="FILE")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR")
@click.option("--preset", "name", default="nano", show_default=True)
@grouped("fine_tuning", FineTuning, {"steps": steps_option, "learning_rate": learning_rate_option})
@click.option("--only", multiple=True, metavar="ROW", help="Rows to run; without it, all.")
def main(
    train_on: Path,
    test: Path,
    checkpoint: Path,
    output: Path,
    name: str,
    fine_tuning: FineTuning,
    only: tuple[str, ...],
) -> None:
    """Fine-tune and evaluate every memory bank; prints the table and writes ablation.json and ablation.png."""
    config = preset(name)
    videos, tests = open_dataset(train_on), open_dataset(test)
    settings = TrainingSettings(
        steps=fine_tuning.steps,
        learning_rate=fine_tuning.learning_rate,
        warmup=20,
        ema=0.99,
        curriculum=CURRICULUM,
        mixed_precision=True,
    )
    chosen = {row: bank for row, bank in banks(config).items() if not only or row in only}
    with shown_steps() as shown:
        for row, bank in chosen.items():
            folder = _folder_name(row)
            begun = load_model(config.with_bank(bank), checkpoint)
            weights = _fine_tuned(row, begun, videos, settings, RunFolder(output / "runs" / folder), shown)
            tuned = load_model(config.with_bank(bank), weights).model
            finished = _evaluated(row, tuned, tests, output / "masks" / folder, shown.counted)
            write_text(output / "rows" / f"{_folder_name(row)}.json", json.dumps(asdict(finished), indent=2) + "\n")
    rows = _finished(output, banks(config))
    write_text(output / "ablation.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    _draw(rows, output / "ablation.png")
    dense = next((row.jf for row in rows if row.name == "dense"), None)
    print_table(
        ("memory", "tokens", "share", "bank KiB", "J", "F", "J&F", "of dense"),
        [
            (
                row.name,
                f"{row.tokens:,}",
                f"{row.share:.1%}",
                f"{row.bank_bytes / KIB:.1f}",
                f"{100 * row.j:.1f}",
                f"{100 * row.f:.1f}",
                f"{100 * row.jf:.1f}",
                f"{row.jf / dense:.1%}" if dense else "-",
            )
            for row in rows
        ],
    )


def _fine_tuned(
    name: str,
    begun: LoadedModel,
    videos: Sequence[AnnotatedSequence],
    settings: TrainingSettings,
    folder: RunFolder,
    shown: Steps,
) -> Path:
    """The file of the weights that fine-tuning comes to."""
    bank = asdict(begun.model.config.bank)
    folder.open(described(settings, begins_with=begun.digest, bank=bank, sequences=[video.name for video in videos]))
    show = shown.measured(f"training {name}", settings.steps)
    execution = Execution(progress=lambda at: show(at.step, figures_in_words(at.figures)))
    return train(begun.model, videos, settings, folder, execution=execution)


def _evaluated(name: str, model: TinySAM2, tests: Sequence[AnnotatedSequence], masks: Path, watch: Watch) -> BankScore:
    backend, config = TorchBackend(model), model.config
    with one_thread():
        scores = DatasetScore(tuple(evaluate_sequences(partial(Tracker, backend), tests, masks, "mask", watch)))
    mean = scores.to_json()["mean"]
    size = 2 * sum(math.prod(spec.shape) for spec in bank_spec(config))
    return BankScore(
        name,
        config.memory_tokens,
        config.memory_token_share,
        size,
        config.bank.quality_management,
        mean["J"],
        mean["F"],
        mean["JF"],
    )


def _finished(output: Path, rows: Sequence[str]) -> list[BankScore]:
    files = (output / "rows" / f"{_folder_name(row)}.json" for row in rows)
    return [BankScore(**json.loads(file.read_text())) for file in files if file.exists()]


def _draw(rows: Sequence[BankScore], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    measures = (("tokens", "memory tokens"), ("bank_bytes", "bytes of an object's bank in fp16"))
    for axes, (field, title) in zip(figure.subplots(1, 2, sharey=True), measures, strict=True):
        for row in rows:
            axes.plot(getattr(row, field), 100 * row.jf, "o" if row.quality_management else "s", color="black")
            axes.annotate(row.name, (getattr(row, field), 100 * row.jf), xytext=(5, 4), textcoords="offset points",
                          fontsize=7)  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel(title)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("J&F")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _folder_name(row: str) -> str:
    return row.replace("%", "").replace(", ", "-").replace(" ", "-")


if __name__ == "__main__":
    main()
