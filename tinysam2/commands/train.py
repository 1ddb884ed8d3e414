"""`tinysam2 train`: a model trained on annotated video."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinysam2.core.config import PRESETS, ModelConfig, preset
from tinysam2.core.errors import InputError
from tinysam2.inputs.options import (
    FILE_OR_FOLDER,
    GivenModel,
    Named,
    grouped,
    json_option,
    preset_option,
    run_options,
    training_videos_options,
)
from tinysam2.inputs.training import (
    GivenMachine,
    GivenVideos,
    ShownTraining,
    chosen_device,
    described_data,
    figures_in_words,
    names_of_data,
    read_stages,
    read_videos,
)

if TYPE_CHECKING:
    from tinysam2.models.training.settings import TrainingSettings


start_option = click.option(
    "--checkpoint", type=FILE_OR_FOLDER, metavar="FILE", help="Weights to begin with; without them, from scratch."
)
teacher_option = click.option(
    "--teacher", type=FILE_OR_FOLDER, metavar="FILE", help="Weights of a model to learn from."
)
teacher_preset_option = click.option(
    "--teacher-preset",
    type=Named(preset, lambda: PRESETS),
    metavar="NAME",
    help="Its preset.  [default: the student's]",
)


@dataclass(frozen=True)
class GivenTeacher:
    """Weights to learn from, and their preset where it is not the student's.

    Raises InputError for a preset without weights.
    """

    teacher: Path | None
    teacher_preset: ModelConfig | None

    def __post_init__(self) -> None:
        if self.teacher_preset and not self.teacher:
            raise InputError("--teacher-preset says what --teacher is; give the teacher's weights too")


@click.command(short_help="Train a model on annotated video.")
@training_videos_options
@click.option(
    "--output", type=FILE_OR_FOLDER, metavar="DIR", required=True, help="The run's folder; a run in it goes on."
)
@grouped("start", GivenModel, {"preset": preset_option(), "checkpoint": start_option})
@run_options(steps=3600, learning_rate=8e-4, curriculum="0.3:3:0.4,0.5:4:0.6,0.2:6:0.8")
@click.option("--final-rate", type=float, default=0.01, show_default=True, help="Share of it that is left at the end.")
@click.option("--warmup", type=int, default=200, show_default=True, help="Steps until the peak.")
@click.option("--ema", type=float, default=0.999, show_default=True, help="Decay of the averaged weights.")
@click.option("--licence", metavar="TEXT", help="Of the weights.  [default: that of --checkpoint, or not stated]")
@click.option("--mix-memory", is_flag=True, help="Each step draws a memory budget from dense to 3.5 % of the tokens.")
@grouped("teacher", GivenTeacher, {"teacher": teacher_option, "teacher_preset": teacher_preset_option})
@click.option("--mixed-precision/--full-precision", default=None, help="Image encoder in bfloat16.  [default: on cuda]")
@json_option
def command(
    videos: GivenVideos,
    output: Path,
    start: GivenModel,
    teacher: "GivenTeacher",
    machine: GivenMachine,
    licence: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train on clips drawn from annotated video, with simulated prompts, through the memory bank.

    The folder gets weights.safetensors (averaged weights), log.csv, curves.png and the state to resume from. The
    same command goes on where a run was stopped. torchrun shares each batch out among processes.

    \b
    Example:
      tinysam2 train --data davis2016/train --output run --hold-out rhino,scooter-gray
      torchrun --nproc-per-node 2 -m tinysam2 train --data davis2016/train --output run
    """
    where = chosen_device(machine.device)
    if chosen["mixed_precision"] is None:
        chosen["mixed_precision"] = where.type == "cuda"
    settings = _settings(model=start.preset, **chosen)

    from tinysam2.inputs.destinations import check_apart, check_shared_folder
    from tinysam2.mobile_runtime.torch_backend import TorchBackend
    from tinysam2.mobile_runtime.tracker import Tracker
    from tinysam2.models.training.distillation import Teacher
    from tinysam2.models.training.held_out import HeldOut
    from tinysam2.models.training.parallel import Execution, joined_processes
    from tinysam2.models.training.run_folder import SETTINGS, RunFolder, described
    from tinysam2.models.training.trainer import train
    from tinysam2.models.weights.checkpoint import load_model, seeded_model, weights_digest
    from tinysam2.models.weights.terms import Terms
    from tinysam2.views.console import shown_steps

    check_apart(output, (*videos.folders, start.checkpoint, teacher.teacher))
    check_shared_folder(output, SETTINGS)
    with joined_processes() as processes, shown_steps(visible=processes.first) as steps:
        steps.begin("reading the data")
        training, held_out = read_videos(videos)
        judges = HeldOut(held_out, lambda model: Tracker(TorchBackend(model))) if held_out else None
        # A run from scratch begins with the seeded weights even where trained ones are shipped.
        from_scratch = start.checkpoint is None
        begun = None if from_scratch else load_model(start.preset, start.checkpoint)
        model = begun.model if begun else seeded_model(start.preset)
        terms = (begun.terms if begun else Terms()).after_training(names_of_data(videos), licence)
        taught_by = load_model(teacher.teacher_preset or start.preset, teacher.teacher) if teacher.teacher else None
        run = RunFolder(output, terms)
        if processes.first:
            run.open(
                described(
                    settings,
                    **described_data(videos, training, held_out),
                    preset=start.preset.name,
                    begins_with=weights_digest(model.state_dict()),
                    teacher=taught_by.digest if taught_by else None,
                )
            )
        shown = ShownTraining(steps, settings.steps)
        weights = train(
            model,
            training,
            settings,
            run,
            held_out=judges,
            teacher=Teacher(taught_by.model, start.preset.hidden_dim) if taught_by else None,
            execution=Execution(processes, machine.workers, where, shown),
        )
    if not processes.first:
        return
    if as_json:
        click.echo(json.dumps({"weights": str(weights), "steps": settings.steps, **shown.figures}, indent=2))
    else:
        click.echo(f"{settings.steps} steps: {figures_in_words(shown.figures)}")
        click.echo(f"weights: {weights}")


def _settings(steps: int, curriculum: str, mix_memory: bool, model: ModelConfig, **chosen: Any) -> "TrainingSettings":
    from tinysam2.models.training.budgets import memory_budgets
    from tinysam2.models.training.settings import TrainingSettings

    banks = tuple(memory_budgets(model).values()) if mix_memory else ()
    try:
        return TrainingSettings(steps=steps, curriculum=read_stages(curriculum), banks=banks, **chosen)
    except ValueError as error:
        raise InputError(str(error)) from error
