"""`tinysam2 validate --locate`: the first wrong layer of each program, as a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.views.console import print_table

if TYPE_CHECKING:
    from tinysam2.validation.locating.locate import ProgramErrors


def print_located(found: "Sequence[ProgramErrors]", plot: Path) -> None:
    """Prints the first wrong layer of each program, and what a delegate does otherwise than its kernels."""
    click.echo("the first layer whose local error exceeds the threshold")
    rows = []
    for errors in found:
        first = errors.first
        if first is None:
            name, numbers = "none", [""] * 4
        else:
            name = (
                f"{first.layer} ({first.operation})" if errors.seen else f"{first.layer} ({first.operation}) or later"
            )
            values = (first.sqnr_db, first.input_sqnr_db, first.sqnr_drop_db, first.local_sqnr_db)
            numbers = [f"{value:.1f}" for value in values]
        rows.append((f"{errors.target} {errors.program}", name, *numbers, f"{errors.least_local_sqnr_db:g}"))
    print_table(("program", "layer", "SQNR dB", "input SQNR", "SQNR drop", "local SQNR", "at least"), rows)
    for errors in found:
        if errors.first is None and errors.output_db < errors.runtimes_limit_db and (steepest := errors.steepest):
            click.echo(
                f"  {errors.target} {errors.program}: its outputs are at {errors.output_db:.1f} dB although no layer "
                f"exceeds the threshold by itself; rounding grows most in {steepest.layer} ({steepest.operation}), "
                f"from {steepest.input_sqnr_db:.1f} to {steepest.sqnr_db:.1f} dB"
            )
        if not errors.runtimes_agree:
            click.echo(
                f"  {errors.target} {errors.program}: what ships is {errors.runtimes_db:.1f} dB from what shows its "
                f"values, at least {errors.runtimes_limit_db:g}: the runtime's own fusions or kernels are wrong"
            )
    for target, runtime in dict.fromkeys((errors.target, errors.runtime) for errors in found):
        click.echo(f"{target}'s values: {runtime}")
    click.echo(f"plot: {plot}")
