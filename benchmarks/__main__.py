"""`python -m benchmarks`: what is fast and what grows, measured on this computer."""

import click

from benchmarks.command import Benchmarks
from benchmarks.frame.command import command as frame
from benchmarks.growth.command import command as growth


@click.group(cls=Benchmarks)
def main() -> None:
    """Benchmarks of the model and its peers."""


main.add_command(frame)
main.add_command(growth)

if __name__ == "__main__":
    main()
