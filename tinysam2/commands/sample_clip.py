"""`tinysam2 sample-clip`: the clip that the project renders, with its masks."""

from pathlib import Path

import click

from tinysam2.inputs.options import FILE_OR_FOLDER


@click.command(short_help="Write the embedded sample clip and its masks.")
@click.argument("folder", type=FILE_OR_FOLDER, metavar="DIR")
@click.option("--frames", type=click.IntRange(1, 99_999), default=40, show_default=True, help="How many.")
@click.option("--objects", type=click.IntRange(1, 2), default=1, show_default=True, help="Fish in the pond.")
def command(folder: Path, frames: int, objects: int) -> None:
    """Write a rendered clip to DIR: frames/00000.jpg and masks/00000.png onwards.

    A koi swims over pebbles, turns, comes nearer, and passes once under a lily pad.

    \b
    Example:
      tinysam2 sample-clip clip --frames 40 --objects 2
    """
    from tinysam2.data.sample_clip import write_sample_clip

    write_sample_clip(folder, frames=frames, objects=objects)
    click.echo(f"{frames} frames in {folder / 'frames'}, their masks in {folder / 'masks'}")
