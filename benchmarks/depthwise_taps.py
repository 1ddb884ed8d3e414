"""What a 7x7 depthwise convolution takes in XNNPACK, whole and as a sum of parts of at most 25 taps.

    python -m benchmarks.depthwise_taps

XNNPACK's depthwise kernels have up to 25 taps. A larger kernel runs as one convolution a channel. Rows of the kernel
that are convolved apart and added give the same numbers up to the order of additions. Printed are the sums of the
operations' least times by each runtime's own clock (`tinysam2 profile --runtime`), in fp32 on one thread.
"""

import json
import platform
import tempfile
from pathlib import Path

import click
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.converters.export import ExportedModel
from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import TARGETS
from tinysam2.validation.profiling.operations import random_inputs
from tinysam2.views.console import print_table, shown_steps

SIDE, RUNS = 7, 200

ROWS = {"7x7": (7,), "3x7 + 3x7 + 1x7": (3, 3, 1), "5x5": (5,)}
"""Name -> rows of each part of the kernel. The last is another convolution, for comparison."""


class Depthwise(nn.Module):
    """A depthwise convolution that keeps the size, as a sum of parts of so many rows each."""

    def __init__(self, rows: tuple[int, ...], channels: int, grid: int) -> None:
        super().__init__()
        self.columns, self.grid = (SIDE if len(rows) > 1 else rows[0]), grid
        self.parts = nn.ModuleList(
            nn.Conv2d(channels, channels, (count, self.columns), groups=channels, bias=index == 0)
            for index, count in enumerate(rows)
        )
        shape = (1, channels, grid, grid)
        self.spec = ProgramSpec("part", (TensorSpec("x", shape, "input"),), (TensorSpec("y", shape, "output"),))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        margin = self.columns // 2
        if len(self.parts) == 1:
            return (F.conv2d(x, self.parts[0].weight, self.parts[0].bias, padding=margin, groups=x.shape[1]),)
        padded, first, total = F.pad(x, (margin,) * 4), 0, None
        for part in self.parts:
            rows = part.kernel_size[0]
            convolved = part(padded[:, :, first : first + self.grid + rows - 1])
            total = convolved if total is None else total + convolved
            first += rows
        return (total,)


def milliseconds(target: str, module: Depthwise, folder: Path) -> float:
    """What the converted module takes, operations summed."""
    example = {"x": torch.zeros(module.spec.inputs[0].shape)}
    exported = ExportedModel(module, example, torch.export.export(module, (), example, strict=False))
    folder.mkdir(parents=True)
    files = TARGETS[target].load_converter().convert([exported], "fp32", folder)
    inputs = random_inputs(module.spec, "float32")
    profiler = TARGETS[target].load_profiler()
    return profiler.profile_program(folder / files["part"], module.spec, inputs, RUNS, 1).milliseconds


@click.command()
@click.option("--channels", type=click.IntRange(1), default=128, show_default=True)
@click.option("--grid", type=click.IntRange(SIDE), default=16, show_default=True, help="Rows and columns.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(channels: int, grid: int, as_json: bool) -> None:
    """Time a 7x7 depthwise convolution of the memory encoder's size, whole and in parts.

    \b
    Example:
      python -m benchmarks.depthwise_taps --channels 256 --grid 64
    """
    runtimes = [name for name, entry in TARGETS.items() if entry.profiler]
    found: dict[str, dict[str, float]] = {name: {} for name in ROWS}
    with tempfile.TemporaryDirectory() as temporary, shown_steps() as steps:
        for index, (name, rows) in enumerate(ROWS.items()):
            for target in runtimes:
                steps.begin(f"converting and profiling {name} on {TARGETS[target].title}")
                module = Depthwise(rows, channels, grid).eval()
                with silenced():
                    found[name][target] = milliseconds(target, module, Path(temporary) / f"{index}-{target}")
    if as_json:
        click.echo(json.dumps({"milliseconds": found, "channels": channels, "grid": grid}, indent=2))
        return
    click.echo(f"ms, depthwise over {grid}x{grid}x{channels}, fp32, one thread, {platform.machine()}")
    print_table(
        ("kernel", *(TARGETS[target].title for target in runtimes)),
        ((name, *(f"{value:.3f}" for value in times.values())) for name, times in found.items()),
    )


if __name__ == "__main__":
    main()
