"""`tinysam2 profile`: what a preset costs, counted beside SAM 2.1-tiny and EdgeTAM, or by a runtime's own clock."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.config import PRESETS, ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, write_text
from tinysam2.core.targets import Target
from tinysam2.core.units import KIB, MIB
from tinysam2.inputs.destinations import check_apart
from tinysam2.inputs.options import (
    DEFAULT_PRESET,
    FILE_OR_FOLDER,
    STDOUT,
    TARGET,
    artifacts_option,
    checkpoint_option,
    grouped,
    json_destination_option,
    precision_option,
    preset_option,
)
from tinysam2.inputs.runnable import ModelChoice

if TYPE_CHECKING:
    from tinysam2.validation.cost.count import ModelCost, ProgramCost
    from tinysam2.validation.cost.peers import PeerCost

GIGA = 10**9

THREADS, RUNS = 1, 30


@dataclass(frozen=True)
class ProfileChoice:
    """What the command line asks to be profiled: a preset, or, with a runtime, that preset's artifacts on it.

    runs: of each program. Raises InputError where an option of the runtime's is given without one.
    """

    runtime: Target | None
    artifacts: Path | None
    preset: ModelConfig | None
    checkpoint: Path | None
    precision: str | None
    threads: int | None
    runs: int | None
    model_explorer: Path | None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if self.runtime is None and (needless := [name for name in given if name != "preset"]):
            option = needless[0].replace("_", "-")
            raise InputError(f"--{option} belongs to a profile by a runtime's clock; add --runtime, as in executorch")

    def model(self, runtime: Target) -> ModelChoice:
        return ModelChoice(runtime.name, self.artifacts, self.preset, self.checkpoint, self.precision)


profile_options = grouped(
    "choice",
    ProfileChoice,
    {
        "runtime": click.option("--runtime", type=TARGET, help="Time each operation by this runtime's own clock."),
        "artifacts": artifacts_option,
        "preset": preset_option(default=None),
        "checkpoint": checkpoint_option,
        "precision": precision_option,
        "threads": click.option(
            "--threads", type=click.IntRange(1), metavar="N", help=f"Of the runtime.  [default: {THREADS}]"
        ),
        "runs": click.option(
            "--runs", type=click.IntRange(1), metavar="N", help=f"Of each program.  [default: {RUNS}]"
        ),
        "model_explorer": click.option(
            "--model-explorer",
            type=FILE_OR_FOLDER,
            metavar="FILE",
            help="Where times by node go, as node data that Model Explorer opens beside the artifact.",
        ),
    },
)


@click.command(short_help="Count what a preset costs, or time its operations on a runtime.")
@profile_options
@json_destination_option
def command(choice: ProfileChoice, json_file: Path | None) -> None:
    """Say what a preset costs: counted, or, with --runtime, timed operation by operation on this processor.

    Counted are parameters, multiply-accumulates (MACs), activations and weight bytes by program, and the memory bank:
    one frame of one object with a full bank, in fp32 unless a precision is named. SAM 2.1-tiny and EdgeTAM are
    counted the same way, if transformers is installed. Nothing is run and no weights are needed.

    With --runtime each program's ten most expensive operations are listed by the runtime's own clock, the least of
    all runs, and those marked that the delegate does not compute.

    \b
    Example:
      tinysam2 profile --preset tinysam2 --json
      tinysam2 profile --runtime tflite --precision int8
      tinysam2 profile --runtime executorch --artifacts artifacts --json profile.json --model-explorer nodes.json
    """
    to_file = None if json_file == STDOUT else json_file
    for file in filter(None, (to_file, choice.model_explorer)):
        check_output_file(file)
        check_apart(file, (choice.artifacts, choice.checkpoint))
    if choice.runtime is None:
        summary, show = _counted(choice.preset or PRESETS[DEFAULT_PRESET])
    else:
        summary, show = _timed(choice, choice.runtime)
    text = json.dumps(summary, indent=2) + "\n"
    if to_file is not None:
        write_text(to_file, text)
    if json_file == STDOUT:
        click.echo(text, nl=False)
    else:
        show()


def _timed(choice: ProfileChoice, runtime: Target) -> tuple[dict[str, object], Callable[[], None]]:
    """The profile by a runtime's clock as JSON, and what prints it."""
    model, threads, runs = choice.model(runtime), choice.threads or THREADS, choice.runs or RUNS

    from tinysam2.core.artifacts import read_card
    from tinysam2.core.silencing import silenced
    from tinysam2.validation.profiling.model_explorer import node_data
    from tinysam2.validation.profiling.operations import profile_artifacts
    from tinysam2.views.console import shown_steps
    from tinysam2.views.operations import print_profiles

    with shown_steps() as steps:
        steps.begin("loading the runtime")
        with silenced():
            runtime.load_profiler()
    with shown_steps() as steps, model.artifact_folder(steps) as folder:
        card = read_card(folder, runtime)
        profiles = profile_artifacts(folder, card, runs, threads, steps.begin)
    if choice.model_explorer is not None:
        write_text(choice.model_explorer, json.dumps(node_data(profiles), indent=2) + "\n")
    settings = f"{runs} runs, {threads} thread{'s' if threads > 1 else ''}"
    summary = {
        "preset": card.preset,
        "runtime": runtime.name,
        "precision": card.precision,
        "weights": card.weights,
        "threads": threads,
        "runs": runs,
        "versions": dict(card.versions),
        "programs": {profile.program: profile.to_json() for profile in profiles},
    }

    def show() -> None:
        print_profiles(profiles)
        click.echo(f"{card.preset} {card.precision} on {runtime.title}, the least of {settings}, {platform.machine()}")

    return summary, show


def _counted(config: ModelConfig) -> tuple[dict[str, object], Callable[[], None]]:
    """What a preset costs by counting, as JSON, and what prints it."""
    from tinysam2.core.silencing import silenced
    from tinysam2.views.console import shown_steps

    with shown_steps() as steps:
        steps.begin(f"counting {config.name}")
        from tinysam2.validation.cost.count import model_cost
        from tinysam2.validation.cost.peer_models import missing
        from tinysam2.validation.cost.peers import PEERS

        cost = model_cost(config)
        left_out = missing()
        peers = []
        for name, count in () if left_out else PEERS.items():
            steps.begin(f"counting {name}")
            with silenced():
                peers.append(count())

    def show() -> None:
        _print_programs(config, cost)
        if left_out:
            click.echo(left_out)
        else:
            _print_peers(cost, peers)

    return _summary(config, cost, peers, left_out), show


def _summary(
    config: ModelConfig, cost: "ModelCost", peers: Sequence["PeerCost"], left_out: str | None
) -> dict[str, object]:
    return {
        "preset": config.name,
        **_model(cost),
        "memory_token_share": round(config.memory_token_share, 4),
        "peers": {
            peer.cost.name: {
                **_model(peer.cost),
                "fused_attention_peak_bytes": dict(peer.fused_peak_bytes),
                "published_parameters": peer.published_parameters,
                "source": peer.source,
            }
            for peer in peers
        },
        "peers_left_out": left_out,
    }


def _model(cost: "ModelCost") -> dict[str, object]:
    return {
        "image_size": cost.image_size,
        "parameters": cost.parameters,
        "trained_parameters": cost.trained_parameters,
        "macs": cost.macs,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "weight_bytes": cost.weight_bytes,
        "memory_tokens": cost.memory_tokens,
        "bank_bytes_fp16": cost.bank_bytes("fp16"),
        "bank_bytes_fp32": cost.bank_bytes("fp32"),
        "programs": {name: asdict(program) for name, program in cost.programs.items()},
    }


def _print_programs(config: ModelConfig, cost: "ModelCost") -> None:
    from tinysam2.validation.cost.count import PRECISIONS
    from tinysam2.views.console import print_table

    columns = ("program", "parameters", "GMACs", "peak MiB", *(f"{name} MiB" for name in PRECISIONS))
    rows = [_program_row(name, program) for name, program in cost.programs.items()]
    total = (
        "all",
        f"{cost.parameters:,}",
        f"{cost.macs / GIGA:.3f}",
        _mib(cost.peak_activation_bytes),
        *_weights(cost.weight_bytes),
    )
    click.echo(
        f"{config.name}, one frame of one object at {cost.image_size}x{cost.image_size}: "
        "peak activations, and weights by precision"
    )
    print_table(columns, [*rows, total])
    click.echo(
        f"memory: {cost.memory_tokens:,} tokens, {config.memory_token_share:.2%} of dense memory of as many frames; "
        f"bank {cost.bank_bytes('fp16') / KIB:,.1f} KiB an object in fp16, "
        f"{cost.bank_bytes('fp32') / KIB:,.1f} KiB in fp32\n"
    )


def _program_row(name: str, program: "ProgramCost") -> tuple[str, ...]:
    return (
        name,
        f"{program.parameters:,}",
        f"{program.macs / GIGA:.3f}",
        _mib(program.peak_activation_bytes),
        *_weights(program.weight_bytes),
    )


def _print_peers(cost: "ModelCost", peers: Sequence["PeerCost"]) -> None:
    from tinysam2.views.console import print_table

    models = [cost, *(peer.cost for peer in peers)]
    fused = ["", *(_mib(max(peer.fused_peak_bytes.values())) for peer in peers)]
    rows = [
        ("image", *(f"{model.image_size}x{model.image_size}" for model in models)),
        ("parameters", *(f"{model.parameters:,}" for model in models)),
        *(
            (f"GMACs {program}", *(f"{model.programs[program].macs / GIGA:,.3f}" for model in models))
            for program in cost.programs
        ),
        ("GMACs in all", *(f"{model.macs / GIGA:,.3f}" for model in models)),
        ("peak activations MiB", *(_mib(model.peak_activation_bytes) for model in models)),
        ("  with attention fused", *fused),
        ("weights fp16 MiB", *(_mib(model.weight_bytes["fp16"]) for model in models)),
        ("memory tokens", *(f"{model.memory_tokens:,}" for model in models)),
        ("bank fp16 KiB", *(f"{model.bank_bytes('fp16') / KIB:,.1f}" for model in models)),
    ]
    print_table(("counted alike", *(model.name for model in models)), rows)


def _weights(weight_bytes: Mapping[str, int]) -> list[str]:
    return [_mib(size) for size in weight_bytes.values()]


def _mib(size: int) -> str:
    return f"{size / MIB:,.2f}"
