"""What each layer costs, as a picture."""

from collections.abc import Sequence
from pathlib import Path

from tinysam2.core.files import atomic_path
from tinysam2.models.training.sensitivity import LayerCost

MARKERS = "osD^"


def draw_costs(costs: Sequence[LayerCost], least_iou: float, path: Path) -> None:
    """Draws every layer's SQNR against the mask IoU that it leaves, by program, as a PNG, and names the most
    sensitive."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, program in enumerate(dict.fromkeys(cost.program for cost in costs)):
        points = [(cost.mask_iou, cost.sqnr_db) for cost in costs if cost.program == program]
        axes.scatter(*zip(*points, strict=True), marker=MARKERS[number % len(MARKERS)], label=program, alpha=0.7)
    for cost in costs[:5]:
        axes.annotate(cost.layer, (cost.mask_iou, cost.sqnr_db), xytext=(5, 3), textcoords="offset points", fontsize=8)
    axes.axvline(least_iou, linestyle="--", linewidth=1, color="black", label=f"left in float below {least_iou:g}")
    axes.set_xlabel("mask IoU with the float model, this layer alone in int8")
    axes.set_ylabel("SQNR of the mask logits, dB")
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
