"""What the commands show: steps and a bar on standard error, results on standard output."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

Item = TypeVar("Item")

PLAIN_WIDTH = 160
"""Columns where output goes to a file or a pipe, so that no path is cut."""


class _Count(MofNCompleteColumn):
    """How many are done, for steps that are counted, and the share of others."""

    def render(self, task: Task) -> Text:
        if task.fields.get("shared"):
            return Text(f"{task.percentage:.0f}%")
        return super().render(task) if task.total or task.completed else Text()


class _Left(TimeRemainingColumn):
    """How long is left of a step, by the pace of what it has done: of one that is counted lately, else of all."""

    def render(self, task: Task) -> Text:
        if task.fields.get("shared"):
            due = task.fields["due"]
            return Text(f"{timedelta(seconds=max(0, round(due - task.get_time())))} left") if due else Text()
        return Text(f"{super().render(task)} left") if task.total and task.time_remaining else Text()


class Steps:
    """The steps of a command: a live line on a terminal, one plain line each elsewhere."""

    def __init__(self, console: Console, live: Progress) -> None:
        self._console, self._live = console, live
        self._task = live.add_task("starting", total=None)

    def begin(self, step: str, total: int | None = None) -> None:
        """Shows that a step begins. total: how many `advance` it will take, where that is known."""
        self._live.reset(self._task, description=step, shared=False)
        # Where there is none, the former step's would stay.
        self._live.tasks[0].total = total
        if not self._console.is_terminal:
            self._console.print(step, markup=False, highlight=False)

    def counter(self, step: str) -> Callable[[int], None]:
        """Begins a step, and returns a function that shows how many it has done."""
        self.begin(step)
        return lambda done: self._live.update(self._task, completed=done)

    def measured(self, step: str, total: int) -> Callable[[int, str], None]:
        """Begins a step, and returns a function that shows how many of `total` it has done, and figures beside it."""
        self.begin(step, total)
        shown = ""

        def show(done: int, figures: str) -> None:
            nonlocal shown
            self._live.update(self._task, completed=done, description=f"{step}: {figures}" if figures else step)
            if figures != shown and not self._console.is_terminal:
                self._console.print(f"{done}/{total} {figures}", markup=False, highlight=False)
            shown = figures

        return show

    def shares(self, step: str) -> Callable[[float, str], None]:
        """Begins a step, and returns a function that shows which share of it is done, from 0 to 1, and what begins."""
        self.begin(step)

        def show(share: float, beginning: str) -> None:
            task = self._live.tasks[0]
            # Of long stages rich's own estimate, over the last seconds, has nothing to go by.
            due = task.get_time() + (task.elapsed or 0) * (1 - share) / share if share else None
            self._live.update(self._task, total=1.0, completed=share, description=beginning, shared=True, due=due)
            if not self._console.is_terminal:
                self._console.print(f"{share:4.0%} {beginning}", markup=False, highlight=False)

        return show

    def counted(self, items: Iterable[Item], step: str, total: int | None) -> Iterator[Item]:
        """The items, one at a time, each counted when the next is asked for."""
        self.begin(step, total)
        for item in items:
            yield item
            self._live.advance(self._task)


@contextmanager
def shown_steps(visible: bool = True) -> Iterator[Steps]:
    """Steps on standard error that stay visible while native libraries' noise is kept off it.

    visible: False where another process speaks for this one.
    They hold a descriptor of their own: `tinysam2.core.silencing.silenced` points the usual one elsewhere.
    """
    descriptor = os.dup(2) if visible else os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
        console = Console(file=stream, width=_width(stream))
        live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Count(),
            TimeElapsedColumn(),
            _Left(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not console.is_terminal,
        )
        with live:
            yield Steps(console, live)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table on standard output; every column but the first is set flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(file=sys.stdout, width=_width(sys.stdout), markup=False, highlight=False).print(table)


def _width(stream) -> int:
    # Asked of this stream itself: rich would ask the standard descriptors, which may point elsewhere.
    try:
        return os.get_terminal_size(stream.fileno()).columns or PLAIN_WIDTH
    except (OSError, ValueError):
        return PLAIN_WIDTH
