"""`python -m benchmarks`: what is fast and what grows, measured on this computer."""

import sys

import click

from benchmarks.frame.command import command as frame
from benchmarks.growth.command import command as growth
from tinysam2.core.errors import InputError


class _Benchmarks(click.Group):
    """Bad input is one sentence and status 2."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)


@click.group(cls=_Benchmarks)
def main() -> None:
    """Benchmarks of the model and its peers."""


main.add_command(frame)
main.add_command(growth)

if __name__ == "__main__":
    main()
