"""Profiles by a runtime's own clock as tables on the terminal."""

from collections.abc import Sequence

import click

from tinysam2.validation.profiling.operations import Operation, ProgramProfile
from tinysam2.views.console import print_table

SHOWN = 10
"""Operations shown of each program."""


def print_profiles(profiles: Sequence[ProgramProfile]) -> None:
    """Prints each program's most expensive operations, and why undelegated ones that hold weights are not delegated."""
    for profile in profiles:
        undelegated = profile.undelegated
        click.echo(
            f"{profile.program}: {profile.milliseconds:.3f} ms in {len(profile.operations)} operations; "
            f"{len(undelegated)} undelegated take {profile.share(undelegated):.1%}"
        )
        print_table(
            ("operation", "place", "ms", "share", ""),
            [_row(profile, operation) for operation in profile.most_expensive(SHOWN)],
        )
    for line in explanations(profiles):
        click.echo(line)


def explanations(profiles: Sequence[ProgramProfile]) -> list[str]:
    """A line for every kind of undelegated operation that holds weights or whose reason is written down."""
    kinds: dict[tuple[str, bool], list[tuple[ProgramProfile, Operation]]] = {}
    for profile in profiles:
        for operation in profile.undelegated:
            if operation.weights or operation.reason:
                kinds.setdefault((operation.name, bool(operation.weights)), []).append((profile, operation))
    return [_explanation(name, weights, found) for (name, weights), found in kinds.items()]


def _explanation(name: str, weights: bool, found: Sequence[tuple[ProgramProfile, Operation]]) -> str:
    times = ", ".join(
        f"{profile.share(operations):.1%} of {profile.program}"
        for profile in dict.fromkeys(profile for profile, _ in found)
        if (operations := [operation for owner, operation in found if owner is profile])
    )
    held = "with weights" if weights else "without weights"
    reason = found[0][1].reason or "no reason is written down"
    return f"undelegated: {name} {held}, {len(found)} in all, {times}: {reason}"


def _row(profile: ProgramProfile, operation: Operation) -> tuple[str, ...]:
    return (
        operation.name,
        operation.place,
        f"{operation.time.least:.3f}",
        f"{profile.share([operation]):.1%}",
        "" if operation.delegated else "undelegated",
    )
