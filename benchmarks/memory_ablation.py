"""What compressing the memory costs: one pretraining, the same fine-tuning for every memory bank, then J&F.

    python -m benchmarks.memory_ablation --train davis2016/train --test davis2016/val \
        --checkpoint pretrained.safetensors --output ablation

Every row is fine-tuned from the same weights with the same clips, steps and learning rate, and evaluated on the test
data from each object's first mask. A run that was stopped goes on where it was.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from benchmarks.fine_tuning import (
    Ablation,
    FineTuning,
    ablation_options,
    finished_rows,
    folder_name,
    mean_scores,
    write_row,
)
from tinysam2.core.config import BankConfig, ModelConfig
from tinysam2.core.contract import bank_spec
from tinysam2.core.files import atomic_path, write_text
from tinysam2.core.units import KIB
from tinysam2.data.datasets import open_dataset
from tinysam2.models.training.budgets import memory_budgets
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.views.console import print_table, shown_steps


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


@click.command()
@ablation_options
def main(ablation: Ablation, fine_tuning: FineTuning) -> None:
    """Fine-tune and evaluate every memory bank; prints the table and writes ablation.json and ablation.png."""
    config, output = ablation.preset, ablation.output
    videos, tests = open_dataset(ablation.train), open_dataset(ablation.test)
    chosen = {row: bank for row, bank in banks(config).items() if ablation.runs(row)}
    with shown_steps() as shown:
        for row, bank in chosen.items():
            folder = folder_name(row)
            begun = load_model(config.with_bank(bank), ablation.checkpoint).model
            weights = fine_tuning.run(row, begun, videos, output / "runs" / folder, shown)
            tuned = load_model(config.with_bank(bank), weights).model
            write_row(output, _score(row, tuned.config, mean_scores(tuned, tests, output / "masks" / folder, shown)))
    rows = finished_rows(output, BankScore, banks(config))
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


def _score(row: str, config: ModelConfig, mean: Mapping[str, float]) -> BankScore:
    size = 2 * sum(math.prod(spec.shape) for spec in bank_spec(config))
    share, managed = config.memory_token_share, config.bank.quality_management
    return BankScore(row, config.memory_tokens, share, size, managed, mean["J"], mean["F"], mean["JF"])


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


if __name__ == "__main__":
    main()
