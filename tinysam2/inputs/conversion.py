"""How a command converts: how many processes, and whether the cache is used."""

import os
from dataclasses import dataclass

import click

from tinysam2.core.cache import Cache, cache_folder
from tinysam2.inputs.options import grouped


def user_cache() -> Cache:
    """The cache in the user's folder; see `tinysam2.core.cache.cache_folder`."""
    return Cache(cache_folder(os.environ))


@dataclass(frozen=True)
class GivenConversion:
    """workers: processes that convert at a time; None: one a target, at most one a core. no_cache: nothing is taken
    from the cache, or kept there."""

    workers: int | None
    no_cache: bool

    @property
    def cache(self) -> Cache | None:
        return None if self.no_cache else user_cache()


no_cache_option = click.option(
    "--no-cache", is_flag=True, help="Do everything again; by default what was done before is taken from the cache."
)

conversion_options = grouped(
    "conversion",
    GivenConversion,
    {
        "workers": click.option(
            "--workers",
            type=click.IntRange(min=1),
            metavar="N",
            help="Targets to convert at a time, a process each.  [default: all, at most one a core]",
        ),
        "no_cache": no_cache_option,
    },
)
"""`--workers` and `--no-cache`, as `conversion`, a `GivenConversion`."""
