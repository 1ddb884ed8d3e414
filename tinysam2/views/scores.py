"""A data set's scores as a table on the terminal."""

from collections.abc import Iterator

import click

from tinysam2.scoring.scores import DatasetScore
from tinysam2.views.console import print_table

COLUMNS = {
    "J&F": "JF",
    "J": "J",
    "F": "F",
    "J recall": "J_recall",
    "J decay": "J_decay",
    "F recall": "F_recall",
    "F decay": "F_decay",
}
"""Headings, and the figures below them."""


def print_scores(score: DatasetScore) -> None:
    """Prints a row a sequence and their mean, in percent, and how many objects had nothing to score."""
    rows = [
        (sequence.name, str(len(sequence.objects)), *_percentages(sequence.figures)) for sequence in score.sequences
    ]
    mean = ("mean over objects", str(len(score.objects)), *_percentages(score.figures))
    print_table(("percent", "objects", *COLUMNS), [*rows, mean])
    unscored = sum(scored.j.mean is None for scored in score.objects)
    if unscored:
        click.echo(f"objects that no mean counts, since no frame of theirs is scored: {unscored}")


def _percentages(figures: dict[str, float | None]) -> Iterator[str]:
    for name in COLUMNS.values():
        value = figures[name]
        yield "-" if value is None else f"{100 * value:.1f}"
