"""`tinysam2 profile`: what a preset costs, beside SAM 2.1-tiny and EdgeTAM."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tinysam2.core.config import ModelConfig
from tinysam2.core.units import KIB, MIB
from tinysam2.inputs.options import json_option, preset_option

if TYPE_CHECKING:
    from tinysam2.validation.cost.count import ModelCost, ProgramCost
    from tinysam2.validation.cost.peers import PeerCost

GIGA = 10**9


@click.command(short_help="Count what a preset costs, beside its peers.")
@preset_option()
@json_option
def command(preset: ModelConfig, as_json: bool) -> None:
    """Count parameters, multiply-accumulates (MACs), activations and weight bytes by program, and the memory bank.

    One frame of one object with a full bank, in fp32 unless a precision is named. SAM 2.1-tiny and EdgeTAM are
    counted the same way, if transformers is installed. Nothing is run and no weights are needed.

    \b
    Example:
      tinysam2 profile
      tinysam2 profile --preset tinysam2 --json
    """
    from tinysam2.core.silencing import silenced
    from tinysam2.views.console import shown_steps

    with shown_steps() as steps:
        steps.begin(f"counting {preset.name}")
        from tinysam2.validation.cost.count import model_cost
        from tinysam2.validation.cost.peer_models import missing
        from tinysam2.validation.cost.peers import PEERS

        cost = model_cost(preset)
        left_out = missing()
        peers = []
        for name, count in () if left_out else PEERS.items():
            steps.begin(f"counting {name}")
            with silenced():
                peers.append(count())

    if as_json:
        click.echo(json.dumps(_summary(preset, cost, peers, left_out), indent=2))
        return
    _print_programs(preset, cost)
    if left_out:
        click.echo(left_out)
    else:
        _print_peers(cost, peers)


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
