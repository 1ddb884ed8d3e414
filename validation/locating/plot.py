"""Errors by layer as a picture: a row a target, a column a program; it reads the same in black and white."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinysam2.core.files import atomic_path
from tinysam2.validation.locating.locate import ProgramErrors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = (4.2, 2.9)
"""Inches."""


def draw_errors(found: Sequence[ProgramErrors], path: Path) -> None:
    """Draws the SQNR of every layer against the float model, in the order of the program, into a PNG file.

    Dots are each layer's local SQNR, the line its SQNR with all errors before it; the first layer below the
    threshold is marked and named. Raises InputError where the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    targets = list(dict.fromkeys(errors.target for errors in found))
    programs = list(dict.fromkeys(errors.program for errors in found))
    figure = Figure(figsize=(PANEL[0] * len(programs), PANEL[1] * len(targets)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(targets), len(programs), squeeze=False, sharey=True)
    for errors in found:
        _draw(panels[targets.index(errors.target)][programs.index(errors.program)], errors)
    for axes in panels[:, 0]:
        axes.set_ylabel("SQNR, dB", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("layers, in order", fontsize=8)
    panels[0][0].legend(fontsize=6, loc="lower left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _draw(axes: "Axes", errors: ProgramErrors) -> None:
    places = range(len(errors.layers))
    axes.plot(places, [layer.sqnr_db for layer in errors.layers], color="black", linewidth=0.9, label="SQNR")
    axes.plot(
        places, [layer.local_sqnr_db for layer in errors.layers], ".", color="0.55", markersize=3, label="local SQNR"
    )
    axes.axhline(errors.least_local_sqnr_db, color="black", linestyle="--", linewidth=0.7, label="least local SQNR")
    axes.set_title(f"{errors.target} {errors.precision}, {errors.program}", fontsize=8)
    axes.tick_params(labelsize=6)
    axes.grid(axis="y", color="0.9", linewidth=0.5)
    if errors.first in errors.layers:
        place = errors.layers.index(errors.first)
        axes.plot(place, errors.first.local_sqnr_db, "x", color="black", markersize=9, markeredgewidth=2)
        right = place > 0.4 * len(errors.layers)
        axes.annotate(
            f"{errors.first.layer}\n{errors.first.operation}",
            (place, errors.first.local_sqnr_db),
            xytext=(-6 if right else 6, -4),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            fontsize=6,
        )
