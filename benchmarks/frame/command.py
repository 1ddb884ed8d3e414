"""`python -m benchmarks frame`."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from benchmarks.frame.contenders import FLOAT32, OURS, Setting, contender, first_line, lowered_gemm
from benchmarks.frame.machine import described
from benchmarks.frame.memory import peak_memory
from benchmarks.frame.plot import draw_report
from benchmarks.frame.results import Measured, Work, precisions_of_peak, report
from benchmarks.frame.runtimes import LOWERED, TORCH
from benchmarks.frame.table import print_report
from benchmarks.frame.timing import CLOCKS
from benchmarks.options import Conditions, Outputs, conditions_options, outputs_options, runtime_title
from tinysam2.core.config import ModelConfig
from tinysam2.core.silencing import silenced
from tinysam2.validation.cost.count import ModelCost, model_cost
from tinysam2.validation.cost.peer_models import EDGETAM, SAM2_TINY, missing
from tinysam2.validation.cost.peers import PEERS
from tinysam2.views.console import Steps, shown_steps

PEER_NAMES = (EDGETAM, SAM2_TINY)

OWN_PACKAGE = "edgetam-dimos"
"""EdgeTAM's own package on PyPI."""


@click.command("frame", short_help="Time a tracked frame beside its peers.")
@conditions_options(preset_name="tinysam2", runtime=LOWERED[0])
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option("--peers/--no-peers", default=True, show_default=True, help="SAM 2.1-tiny and EdgeTAM, random weights.")
@click.option("--eager/--no-eager", default=True, show_default=True, help="Every model in PyTorch too.")
@click.option("--lower", "lower", multiple=True, type=click.Choice(PEER_NAMES), help="Peers to lower.  [default: all]")
@click.option("--beside", type=click.Choice(LOWERED), help="This model in another runtime too, in turn with the rest.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Peak memory, in fresh processes.")
@click.option("--checkpoint", metavar="FILE", help="Weights.  [default: the preset's, else seeded; int8: from noise]")
@outputs_options
def command(conditions: Conditions, outputs: Outputs, checkpoint: str | None, **chosen: Any) -> None:
    """Time a tracked frame with a full bank, and each of its programs, in turn with SAM 2.1-tiny and EdgeTAM.

    The same run measures the peak of the runtime's matrix products. Files of another version of the code must be
    removed from DIR by hand; those of other weights are made again.

    \b
    Example:
      python -m benchmarks frame --preset tinysam2 --runtime executorch --json frame.json --artifacts artifacts
    """
    with outputs.folder() as folder, shown_steps() as steps, conditions.held():
        found = conditions.to_json() | measure(conditions.setting(folder, checkpoint), steps, **chosen)
    print_report(found, conditions.title)
    for line in found["left_out"]:
        click.echo(line)
    outputs.write(found, draw_report, conditions.title)


def measure(setting: Setting, steps: Steps, rounds: int, peers: bool, memory: bool, **who: Any) -> dict:
    """Lowers, runs and measures; returns the report. The options are the command's; who: those of `entrants`."""
    left_out = [reason] if peers and (reason := missing()) else []
    names = PEER_NAMES if peers and not left_out else ()
    contenders = []
    for name, where in entrants(setting, names, **who):
        steps.begin(f"preparing {name} in {runtime_title(where.runtime)}")
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
    with silenced():
        work = work_of(setting.config, names)
    found = report(measured, work, bytes_held)
    return {
        "rounds": rounds,
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


def _work(cost: ModelCost) -> Mapping[str, Work]:
    return {name: Work(program.macs, program.product_macs) for name, program in cost.programs.items()}
