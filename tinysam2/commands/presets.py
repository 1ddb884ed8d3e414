"""`tinysam2 presets`: the model sizes there are."""

import json
import math

import click

from models.config import PRESETS, ModelConfig
from models.contract import bank_spec
from tinysam2.commands.options import json_option

FP16_BYTES = 2


@click.command(short_help="List the presets and what their memory holds.")
@json_option
def command(as_json: bool) -> None:
    """List the presets: sizes of image and model, and what the memory bank of one object holds.

    The share compares the bank's tokens with SAM 2.1's dense memory of as many frames.

    \b
    Example:
      tinysam2 presets --json
    """
    presets = [_described(config) for config in PRESETS.values()]
    if as_json:
        click.echo(json.dumps(presets, indent=2))
        return

    from tinysam2.console import print_table

    rows = [
        (
            entry["name"],
            str(entry["image_size"]),
            str(entry["hidden_dim"]),
            str(entry["memory_dim"]),
            str(entry["slots"]),
            str(entry["pointers"]),
            f"{entry['memory_tokens']:,}",
            f"{entry['memory_token_share']:.2%}",
            f"{entry['bank_bytes_fp16'] / 1024:.1f}",
        )
        for entry in presets
    ]
    columns = (
        "preset",
        "image",
        "hidden",
        "memory",
        "slots",
        "pointers",
        "tokens",
        "share",
        "fp16 KiB",
    )
    print_table(columns, rows)


def _described(config: ModelConfig) -> dict[str, object]:
    return {
        "name": config.name,
        "image_size": config.image_size,
        "hidden_dim": config.hidden_dim,
        "memory_dim": config.memory_dim,
        "slots": config.bank.slots,
        "pointers": config.bank.pointers,
        "memory_tokens": config.memory_tokens,
        "memory_token_share": round(config.memory_token_share, 4),
        "bank_bytes_fp16": FP16_BYTES * sum(math.prod(tensor.shape) for tensor in bank_spec(config)),
    }
