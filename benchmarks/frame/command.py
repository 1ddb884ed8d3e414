"""`python -m benchmarks frame`."""

import importlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.frame.contenders import FLOAT32, OURS, Setting, contender, first_line, lowered_gemm
from benchmarks.frame.machine import described
from benchmarks.frame.memory import peak_memory
from benchmarks.frame.plot import draw_report
from benchmarks.frame.results import Measured, Work, precisions_of_peak, report
from benchmarks.frame.runtimes import LOWERED, RUNTIMES, TORCH
from benchmarks.frame.table import print_report
from benchmarks.frame.timing import CLOCKS, WALL
from tinysam2.core.config import ModelConfig, preset
from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, write_text
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.validation.cost.count import ModelCost, model_cost
from tinysam2.validation.cost.peer_models import EDGETAM, SAM2_TINY, missing
from tinysam2.validation.cost.peers import PEERS
from tinysam2.views.console import Steps, shown_steps

PEER_NAMES = (EDGETAM, SAM2_TINY)

OWN_PACKAGE = "edgetam-dimos"
"""EdgeTAM's own package on PyPI."""

CLOCK_HELP = "Processor time is what a busy machine does not stretch; use it with one thread."

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("frame", short_help="Time a tracked frame beside its peers.")
@click.option("--preset", "preset_name", default="tinysam2", show_default=True, metavar="NAME")
@click.option("--precision", type=click.Choice((FLOAT32, INT8)), default=FLOAT32, show_default=True)
@click.option("--runtime", type=click.Choice(RUNTIMES), default=LOWERED[0], show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option("--clock", type=click.Choice(tuple(CLOCKS)), default=WALL, show_default=True, help=CLOCK_HELP)
@click.option("--peers/--no-peers", default=True, show_default=True, help="SAM 2.1-tiny and EdgeTAM, random weights.")
@click.option("--eager/--no-eager", default=True, show_default=True, help="Every model in PyTorch too.")
@click.option("--lower", "lower", multiple=True, type=click.Choice(PEER_NAMES), help="Peers to lower.  [default: all]")
@click.option("--beside", type=click.Choice(LOWERED), help="This model in another runtime too, in turn with the rest.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Peak memory, in fresh processes.")
@click.option("--checkpoint", metavar="FILE", help="Weights.  [default: the preset's, else seeded; int8: from noise]")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write everything as JSON.")
@click.option("--plot", "plot_file", type=FILE, metavar="FILE", help="Draw the frames as bars, PNG.")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where lowered files are, or are kept for the next time.  [default: a temporary folder]",
)
def command(
    preset_name: str,
    precision: str,
    runtime: str,
    threads: int,
    clock: str,
    checkpoint: str | None,
    artifacts: Path | None,
    json_file: Path | None,
    plot_file: Path | None,
    **chosen: object,
) -> None:
    """Time a tracked frame with a full bank, and each of its programs, in turn with SAM 2.1-tiny and EdgeTAM.

    The same run measures the peak of the runtime's matrix products. Files of another version of the code must be
    removed from DIR by hand; those of other weights are made again.

    \b
    Example:
      python -m benchmarks frame --preset tinysam2 --runtime executorch --json frame.json --artifacts artifacts
    """
    config = preset(preset_name)
    if runtime == TORCH and precision == INT8:
        raise InputError("torch runs int8 models in float; choose --precision fp32, or --runtime executorch or tflite")
    for file in filter(None, (json_file, plot_file)):
        check_output_file(file)
    with kept(artifacts) as folder, shown_steps() as steps, on_threads(threads):
        setting = Setting(config, runtime, precision, threads, folder, checkpoint, clock)
        found = measure(setting, steps, **chosen)
    title = f"{config.name} {precision} in {_title(runtime)}, {threads} thread{'s' * (threads > 1)}, {clock} time"
    print_report(found, title)
    for line in found["left_out"]:
        click.echo(line)
    if json_file:
        write_text(json_file, json.dumps(found, indent=2) + "\n")
    if plot_file:
        draw_report(found, plot_file, title)


def measure(setting: Setting, steps: Steps, rounds: int, peers: bool, memory: bool, **who: Any) -> dict:
    """Lowers, runs and measures; returns the report. The options are the command's; who: those of `entrants`."""
    left_out = [reason] if peers and (reason := missing()) else []
    names = PEER_NAMES if peers and not left_out else ()
    contenders = []
    for name, where in entrants(setting, names, **who):
        steps.begin(f"preparing {name} in {_title(where.runtime)}")
        contenders.append((contender(name, where), where))
    steps.begin("preparing the matrix products")
    peaks = {}
    for number in precisions_of_peak(setting.runtime != TORCH, setting.precision):
        peaks[number] = lowered_gemm(setting, number)
    before = described()
    measured = Measured.of([c for c, _ in contenders], peaks, rounds, steps.counter("measuring"), CLOCKS[setting.clock])
    after = described()["load"]
    bytes_held: dict[str, int | None] = {}
    for entrant, where in contenders if memory else ():
        steps.begin(f"measuring the memory of {entrant.key}")
        bytes_held[entrant.key] = peak_memory(entrant, where, contenders[0][0].files)
    found = report(measured, work_of(setting.config, names), bytes_held)
    return {
        "preset": setting.config.name,
        "precision": setting.precision,
        "runtime": setting.runtime,
        "threads": setting.threads,
        "rounds": rounds,
        "clock": setting.clock,
        "machine": {**before, "load_after": after},
        **found,
        "left_out": [*left_out, *([own_package()] if names else [])],
    }


def entrants(
    setting: Setting, peers: Sequence[str], eager: bool, lower: Sequence[str] = (), beside: str | None = None
) -> Iterator[tuple[str, Setting]]:
    """Who runs and how: this model first, each peer as it is lowered, then all of them eager.

    lower: the peers that are lowered; none: all. beside: another runtime for this model.
    """
    yield OURS, setting
    if beside not in (None, setting.runtime):
        yield OURS, replace(setting, runtime=beside)
    if setting.runtime != TORCH:
        for name in peers:
            if not lower or name in lower:
                yield name, setting
    if eager or setting.runtime == TORCH:
        checkpoint = setting.checkpoint if setting.precision == FLOAT32 else None
        in_torch = replace(setting, runtime=TORCH, precision=FLOAT32, checkpoint=checkpoint)
        for name in (OURS, *peers):
            if (name, setting.runtime) != (OURS, TORCH):
                yield name, in_torch


def work_of(config: ModelConfig, peers: Sequence[str]) -> dict[str, Mapping[str, Work]]:
    """Multiply-accumulates of every contender's programs, counted on shapes alone."""
    costs = {OURS: model_cost(config), **{name: PEERS[name]().cost for name in peers}}
    return {name: _work(cost) for name, cost in costs.items()}


def own_package() -> str:
    """What keeps EdgeTAM's own package from being measured."""
    try:
        importlib.import_module("sam2.build_sam")
    except Exception as error:  # its imports reach into packages that may be broken here
        return f"{OWN_PACKAGE} (EdgeTAM's own package): not available: {first_line(error)}"
    return f"{OWN_PACKAGE} (EdgeTAM's own package): not measured; its modules are those that transformers has rewritten"


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """The folder, or a temporary one."""
    with tempfile.TemporaryDirectory() as temporary:
        yield folder or Path(temporary)


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """PyTorch on so many threads within the block. Raises InputError where there are not as many cores."""
    if threads > (cores := os.cpu_count() or 1):
        raise InputError(f"--threads is {threads}; this computer has {cores} cores, so give at most {cores}")
    former = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(former)


def _work(cost: ModelCost) -> Mapping[str, Work]:
    return {name: Work(program.macs, program.product_macs) for name, program in cost.programs.items()}


def _title(runtime: str) -> str:
    return "PyTorch" if runtime == TORCH else TARGETS[runtime].title
