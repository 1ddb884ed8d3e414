"""`tinysam2 evaluate`: a model's masks on a data set, and how good they are."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.files import check_output_file, write_text
from tinysam2.data.prompt_kinds import PROMPTS
from tinysam2.inputs.options import (
    FILE_OR_FOLDER,
    STDOUT,
    Named,
    data_option,
    json_file_option,
    split_option,
)
from tinysam2.inputs.runnable import ModelChoice, model_options
from tinysam2.inputs.workers import GivenPlace, place_among_workers, worker_options
from tinysam2.scoring.evaluation_settings import (
    SETTINGS,
    EvaluationSettings,
    check_evaluation_folder,
    checked_prompt,
)

if TYPE_CHECKING:
    pass

PLOT = "scores.png"


@click.command(short_help="Run a model over a data set and score it.")
@data_option
@split_option
@model_options(default_backend="torch")
@click.option(
    "--prompt",
    type=Named(checked_prompt, lambda: PROMPTS),
    default=PROMPTS[0],
    show_default=True,
    help="What is said of each object, once, on its first frame.",
)
@click.option("--output", type=FILE_OR_FOLDER, metavar="DIR", required=True, help="Folder for masks, scores and plot.")
@worker_options
@json_file_option
def command(
    data: Path,
    split: str | None,
    choice: ModelChoice,
    prompt: str,
    output: Path,
    place: GivenPlace,
    json_file: Path | None,
) -> None:
    """Track every object of a data set from its first frame on, and score the masks as `tinysam2 score` does.

    An interrupted run goes on where it stopped. torchrun, or --rank and --workers, share the sequences out among
    processes; the first one gathers the scores.

    \b
    Example:
      tinysam2 evaluate --data davis2017 --split val --output davis-nano
      tinysam2 evaluate --data clips --backend executorch --prompt click-3 --output clicked --json clicked.json
      torchrun --nproc-per-node 2 -m tinysam2 evaluate --data davis2017 --split val --output davis-nano
      tinysam2 evaluate --data davis2017 --split val --output davis-nano --rank 0 --workers 2 --wait 3600
    """
    rank, workers = place_among_workers(place.rank, place.workers)

    from tinysam2.data.datasets import open_dataset
    from tinysam2.inputs.destinations import check_apart, check_shared_folder
    from tinysam2.mobile_runtime.threads import one_thread
    from tinysam2.mobile_runtime.tracker import Tracker
    from tinysam2.scoring.evaluation import evaluate_sequences, gathered, share_of
    from tinysam2.scoring.score_plot import draw_scores
    from tinysam2.scoring.scores import DatasetScore
    from tinysam2.views.console import shown_steps
    from tinysam2.views.scores import print_scores

    check_apart(output, (data, choice.artifacts))
    check_shared_folder(output, SETTINGS)
    check_evaluation_folder(output)
    to_file = None if json_file == STDOUT else json_file
    if to_file is not None:
        check_output_file(to_file)
        check_apart(to_file, (data, output))
    with shown_steps(visible=rank == 0) as steps:
        steps.begin("reading the data set")
        sequences = open_dataset(data, split)
        with choice.opened(steps) as model:
            settings = model.evaluation_settings(data, split, sequences, prompt)
            settings.claim(output)
            mine = share_of(sequences, rank, workers)
            with one_thread():
                evaluate_sequences(partial(Tracker, model.backend), mine, output, prompt, steps.counted)
        if rank > 0:
            return
        steps.begin("waiting for the other processes" if workers > 1 else "gathering the scores")
        score = DatasetScore(tuple(gathered(sequences, output, place.wait)))
        steps.begin("drawing the scores")
        draw_scores(score.to_json(), output / PLOT, _title(settings))

    report = json.dumps({**score.to_json(), "settings": asdict(settings)}, indent=2, allow_nan=False) + "\n"
    if to_file is not None:
        write_text(to_file, report)
    if json_file == STDOUT:
        click.echo(report, nl=False)
        return
    print_scores(score)
    click.echo(_title(settings))
    click.echo(f"{output}: masks of {settings.sequences} sequences, {settings.frames} frames; {PLOT}")
    if to_file:
        click.echo(f"scores: {json_file}")


def _title(settings: EvaluationSettings) -> str:
    trained = "" if settings.trained else "; untrained weights"
    return f"{settings.preset} {settings.precision}, run by {settings.runtime}, prompted by {settings.prompt}{trained}"
