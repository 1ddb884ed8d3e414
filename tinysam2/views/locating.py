"""`tinysam2 validate --locate`: the first wrong layer of each program, as a table, a plot and data."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER

if TYPE_CHECKING:
    from tinysam2.models.weights.checkpoint import LoadedModel
    from tinysam2.validation.locating.locate import ProgramErrors
    from tinysam2.validation.parity.scenes import Scene

ALL = "all"
PLOT = "located.png"

locate_option = click.option(
    "--locate",
    is_flag=False,
    flag_value=ALL,
    type=click.Choice((ALL, IMAGE_ENCODER, MEMORY_ATTENTION, MASK_DECODER, MEMORY_ENCODER)),
    metavar="[PROGRAM]",
    help="Name the first layer of each program, or of this one, whose error leaves the ordinary, and plot the error by "
    f"layer into ARTIFACTS/{PLOT}.",
)


def locate_layers(
    asked: str,
    loaded: "LoadedModel",
    artifacts: Path,
    scene: "Scene",
    progress: Callable[[str], None],
) -> "list[ProgramErrors]":
    """Locates in one program or all of every target in a folder, and writes the plot beside them."""
    from tinysam2.converters.export import export_programs
    from tinysam2.core.silencing import silenced
    from tinysam2.validation.locating.float_graph import FloatGraph
    from tinysam2.validation.locating.locate import locate, record_calls
    from tinysam2.validation.locating.plot import draw_errors
    from tinysam2.validation.validate import read_cards

    progress("recording the float model")
    calls = record_calls(loaded, scene)
    progress("exporting the float model")
    with silenced():
        graphs = {
            exported.name: FloatGraph(
                exported.name, exported.graph.run_decompositions({}), exported.program.spec.input_names
            )
            for exported in export_programs(loaded.model)
            if asked in (ALL, exported.name)
        }
    found = locate(read_cards(artifacts), artifacts, graphs, calls, progress)
    progress("drawing the errors")
    draw_errors(found, artifacts / PLOT)
    return found


def print_located(found: "Sequence[ProgramErrors]", plot: Path) -> None:
    """Prints the first wrong layer of each program, and what a delegate does otherwise than its kernels."""
    from tinysam2.views.console import print_table

    click.echo("the first layer whose own error leaves the ordinary")
    rows = []
    for errors in found:
        first = errors.first
        if first is None:
            name, numbers = "none", [""] * 4
        else:
            name = (
                f"{first.layer} ({first.operation})" if errors.seen else f"{first.layer} ({first.operation}) or later"
            )
            values = (first.sqnr_db, first.came_in_db, first.drop_db, first.own_db)
            numbers = [f"{value:.1f}" for value in values]
        rows.append((f"{errors.target} {errors.program}", name, *numbers, f"{errors.ordinary_db:g}"))
    print_table(("program", "layer", "SQNR dB", "came in", "drop", "its own", "ordinary, at least"), rows)
    for errors in found:
        if errors.first is None and errors.output_db < errors.runtimes_limit_db and (steepest := errors.steepest):
            click.echo(
                f"  {errors.target} {errors.program}: its outputs are at {errors.output_db:.1f} dB although no layer "
                f"errs by itself; ordinary rounding grows most in {steepest.layer} ({steepest.operation}), "
                f"from {steepest.came_in_db:.1f} to {steepest.sqnr_db:.1f} dB"
            )
        if not errors.runtimes_agree:
            click.echo(
                f"  {errors.target} {errors.program}: what ships is {errors.runtimes_db:.1f} dB from what shows its "
                f"values, at least {errors.runtimes_limit_db:g}: the runtime's own fusions or kernels are wrong"
            )
    for target, runtime in dict.fromkeys((errors.target, errors.runtime) for errors in found):
        click.echo(f"{target}'s values: {runtime}")
    click.echo(f"plot: {plot}")
