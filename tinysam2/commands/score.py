"""`tinysam2 score`: masks on disk held against a data set's truth."""

import json
from pathlib import Path

import click

from tinysam2.inputs.options import FILE_OR_FOLDER, STDOUT, data_option, json_file_option, split_option


@click.command(short_help="Score masks by J and F against a data set.")
@click.argument("predictions", type=FILE_OR_FOLDER)
@data_option
@split_option
@json_file_option
def command(predictions: Path, data: Path, split: str | None, json_file: Path | None) -> None:
    """Score the masks PREDICTIONS/SEQUENCE/FRAME.png by region similarity J and boundary accuracy F.

    Both are computed as the DAVIS 2017 toolkit does for semi-supervised results: without the first and the last
    annotated frame, and with the mean over all objects. A mask's pixels hold object ids. DIR may be laid out as DAVIS,
    YouTube-VOS, MOSE, SA-V or this project's own clips.

    \b
    Example:
      tinysam2 score predictions --data DAVIS --split val
      tinysam2 score predictions --data clips --json scores.json
    """
    from tinysam2.core.files import check_output_file
    from tinysam2.data.datasets import open_dataset
    from tinysam2.inputs.destinations import check_apart
    from tinysam2.scoring.scores import score_dataset
    from tinysam2.views.console import shown_steps
    from tinysam2.views.scores import print_scores

    to_file = None if json_file == STDOUT else json_file
    if to_file is not None:
        check_output_file(to_file)
        check_apart(to_file, (predictions, data))
    sequences = open_dataset(data, split)
    with shown_steps() as steps:
        score = score_dataset(sequences, predictions, steps.counter("scoring"))
    if to_file is not None:
        score.write(to_file)
    if json_file == STDOUT:
        click.echo(json.dumps(score.to_json(), indent=2, allow_nan=False))
        return
    print_scores(score)
    if to_file:
        click.echo(f"scores: {json_file}")
