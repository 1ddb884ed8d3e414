"""Scores as a picture: a bar a sequence, and J&F frame by frame; it reads the same in black and white."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinysam2.core.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 11.0
COLUMNS = 5
BAR_HEIGHT, TILE_HEIGHT, HEADING_HEIGHT = 0.22, 1.35, 0.9
"""Inches."""


def draw_scores(scores: Mapping, path: Path, title: str) -> None:
    """Draws a data set's scores, as `DatasetScore.to_json` gives them, into a PNG file.

    Above, J&F of each sequence as a bar with its J and F as marks; below, a small plot a sequence with J&F by frame,
    the mean over its objects in black and each object in grey where there are several.
    A sequence or a frame without a score has no bar and no line. Raises InputError where the file cannot be written.
    """
    from matplotlib.figure import Figure

    sequences = scores["sequences"]
    rows = -(-len(sequences) // COLUMNS)
    heights = (HEADING_HEIGHT + BAR_HEIGHT * len(sequences), HEADING_HEIGHT / 2 + TILE_HEIGHT * rows)
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    figure.suptitle(title, fontsize=10)
    (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
    _draw_bars(upper.subplots(), sequences, scores["mean"]["JF"])
    tiles = lower.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel()
    for tile in tiles[len(sequences) :]:
        tile.set_axis_off()
    for tile, (name, sequence) in zip(tiles, sequences.items(), strict=False):
        _draw_frames(tile, name, sequence)
    lower.supxlabel("frame", fontsize=8)
    lower.supylabel("J&F", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _draw_bars(axes: "Axes", sequences: Mapping, mean: float | None) -> None:
    names, places = list(sequences), np.arange(len(sequences))
    values = _numbers([sequence["JF"] for sequence in sequences.values()])
    axes.barh(places, values, color="0.8", edgecolor="black", linewidth=0.6, label="J&F")
    for measure, marker in (("J", "o"), ("F", "x")):
        points = _numbers([sequence[measure] for sequence in sequences.values()])
        axes.plot(points, places, marker, color="black", markersize=4, markerfacecolor="white", label=measure)
    if mean is not None:
        axes.axvline(mean, color="black", linestyle="--", linewidth=0.8, label=f"mean J&F {mean:.3f}")
    for place, sequence in zip(places, sequences.values(), strict=True):
        axes.annotate(_written(sequence["JF"]), (1.015, place), va="center", fontsize=7)
    axes.set_yticks(places, names, fontsize=7)
    axes.set_xlim(0, 1.08)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=7)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=7, frameon=False)


def _draw_frames(axes: "Axes", name: str, sequence: Mapping) -> None:
    objects = [_object_by_frame(scored) for scored in sequence["objects"].values()]
    if len(objects) > 1:
        for values in objects:
            _draw_line(axes, values, color="0.65", linewidth=0.7)
    _draw_line(axes, _mean_by_frame(objects), color="black", linewidth=1.1)
    axes.set_title(f"{name}  {_written(sequence['JF'])}", fontsize=7)
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    axes.tick_params(labelsize=6)


def _draw_line(axes: "Axes", values: np.ndarray, color: str, linewidth: float) -> None:
    scored = np.flatnonzero(np.isfinite(values))
    axes.plot(scored, values[scored], marker="." if len(scored) < 2 else "", color=color, linewidth=linewidth)


def _object_by_frame(scored: Mapping) -> np.ndarray:
    """J&F of an object on each frame, not a number where it is not scored."""
    return (_numbers(scored["J"]["per_frame"]) + _numbers(scored["F"]["per_frame"])) / 2


def _mean_by_frame(objects: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the objects that are scored on each frame."""
    values = np.stack(objects)
    scored = np.isfinite(values)
    sums = np.where(scored, values, 0).sum(0)
    return np.divide(sums, scored.sum(0), out=np.full(len(sums), np.nan), where=scored.any(0))


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _written(value: float | None) -> str:
    return "not scored" if value is None else f"{value:.3f}"
