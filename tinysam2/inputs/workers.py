"""A process's place among those that share a command's work."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import click

from tinysam2.core.errors import InputError
from tinysam2.core.launching import by_torchrun

WAIT = 600.0
"""Seconds without a finished sequence after which a process that is waited for is given up."""


@dataclass(frozen=True)
class GivenPlace:
    """What the command line says of a process's place. wait: seconds; see `WAIT`."""

    rank: int | None
    workers: int | None
    wait: float


def worker_options(command: Callable) -> Callable:
    """`--rank`, `--workers` and `--wait`, given to the command as `place`."""

    @click.option(
        "--rank", type=int, metavar="N", help="This process's place, 0 to workers - 1.  [default: torchrun's]"
    )
    @click.option("--workers", type=int, metavar="N", help="How many processes share the work.  [default: torchrun's]")
    @click.option(
        "--wait",
        type=click.FloatRange(min=0, min_open=True),
        default=WAIT,
        show_default=True,
        metavar="SECONDS",
        help="How long the first process waits for the next finished sequence of another.",
    )
    @wraps(command)
    def run(rank: int | None, workers: int | None, wait: float, **given: object) -> object:
        return command(place=GivenPlace(rank, workers, wait), **given)

    return run


def place_among_workers(rank: int | None, workers: int | None) -> tuple[int, int]:
    """This process's rank and how many share the work: as given, as torchrun says, else alone.

    `RANK` and `WORLD_SIZE` by themselves say nothing: clusters set them for whatever they start.
    Raises InputError where only one is given, or the two do not fit.
    """
    if rank is None and workers is None:
        return (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])) if by_torchrun() else (0, 1)
    if rank is None or workers is None:
        raise InputError("--rank and --workers belong together; give both, or neither")
    if not 0 <= rank < workers:
        raise InputError(f"--rank {rank} does not fit --workers {workers}; ranks are 0 to workers - 1")
    return rank, workers
