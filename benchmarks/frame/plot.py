"""A report as a picture: a bar a contender, its programs stacked."""

from collections.abc import Mapping
from pathlib import Path

from tinysam2.core.files import atomic_path
from tinysam2.models.quantization.recipe import PROGRAMS

WIDTH, HEADING, BAR = 9.0, 1.4, 0.45
"""Inches."""

GREYS = ("0.25", "0.5", "0.7", "0.9")


def draw_report(report: Mapping, path: Path, title: str) -> None:
    """Writes a PNG. A program without a time has no part of its bar. Raises InputError where it cannot be written."""
    from matplotlib.figure import Figure

    contenders = report["contenders"]
    figure = Figure(figsize=(WIDTH, HEADING + BAR * len(contenders)), layout="constrained")
    axes = figure.subplots()
    names = [f"{of['name']}, {of['runtime']} {of['precision']}" for of in contenders]
    ends = [0.0] * len(contenders)
    for program, grey in zip(PROGRAMS, GREYS, strict=True):
        found = [of["programs"][program].get("seconds") for of in contenders]
        widths = [seconds["median"] if seconds else 0.0 for seconds in found]
        axes.barh(names, widths, left=ends, color=grey, edgecolor="black", linewidth=0.6, label=program)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("seconds a frame")
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
