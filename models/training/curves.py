"""The curves of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path

from tinysam2.core.files import atomic_path

PANELS = (
    ("loss", ("loss",)),
    ("terms", ("focal", "dice", "iou", "object_score", "features", "memories", "logits")),
    ("J", ("j", "held_out_j")),
    ("learning rate", ("learning_rate",)),
)
STYLES = ("-", "--", "-.", ":")


def draw_curves(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Draws loss, its terms, J and learning rate over the steps as a PNG; without rows, nothing."""
    if not rows:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for number, name in enumerate(names):
            points = [(row["step"], row[name]) for row in rows if name in row]
            if any(value for _, value in points):
                marker = "o" if name == "held_out_j" else None
                axes.plot(*zip(*points, strict=True), STYLES[number % len(STYLES)], marker=marker, label=name)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(names) > 1 and axes.lines:
            axes.legend()
    figure.axes[1].set_yscale("log")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
