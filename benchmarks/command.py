"""The command of a benchmark: bad input ends it as it ends `tinysam2`'s commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from tinysam2.cli import BAD_INPUT, Failure
from tinysam2.core.errors import InputError


class Benchmark(click.Command):
    """Ends with one sentence and status 2 at an `InputError`, whether an option or the run raises it."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with _one_sentence():
            return super().make_context(*arguments, **more)

    def invoke(self, context: click.Context) -> Any:
        with _one_sentence():
            return super().invoke(context)


class Benchmarks(Benchmark, click.Group):
    """Several benchmarks under one name."""


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise Failure(str(error), BAD_INPUT) from error
