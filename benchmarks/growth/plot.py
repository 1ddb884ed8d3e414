"""Growth as a picture: a panel a quantity."""

from collections.abc import Mapping
from pathlib import Path

from tinysam2.core.files import atomic_path
from tinysam2.models.quantization.recipe import PROGRAMS

WIDTH, HEIGHT = 10.0, 6.5
"""Inches."""

STYLES = {
    **dict(zip(PROGRAMS, ("o-", "s-", "^-", "d-"), strict=True)),
    "frame": "k.--",
}


def draw_growth(found: Mapping, path: Path, title: str) -> None:
    """Writes a PNG of what a run found; what it did not measure leaves its panel empty. Raises InputError where the
    file cannot be written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    figure.suptitle(title, fontsize=10)
    frames, objects, sizes, tokens = figure.subplots(2, 2).ravel()
    if along := found.get("frames"):
        frames.plot(along["frames"], along["seconds"], "k.-")
        frames.set_ylim(bottom=0)
    if by_count := found.get("objects"):
        counts = by_count["objects"]
        frames_of = [by_count["seconds"][str(count)]["median"] for count in counts]
        straight = by_count["seconds_line"]
        objects.plot(counts, frames_of, "k.")
        objects.plot(counts, [straight["start"] + straight["slope"] * count for count in counts], "k--")
    for axes, name in ((sizes, "sizes"), (tokens, "tokens")):
        if of_size := found.get(name):
            for part, style in STYLES.items():
                power = of_size["exponents"][part]
                label = part if power is None else f"{part}, power {power:.2f}"
                medians = [spread["median"] for spread in of_size["seconds"][part]]
                axes.loglog(of_size["x"], medians, style, label=label, markersize=4)
            axes.legend(fontsize=6)
    for axes, name in ((frames, "frame"), (objects, "objects"), (sizes, "image side, px"), (tokens, "memory tokens")):
        axes.set_xlabel(name, fontsize=8)
        axes.set_ylabel("seconds a frame", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
