"""`tinysam2 presets`: the model sizes there are."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict

import click

from tinysam2.core.config import PRESETS, REPVIT_VARIANTS, ModelConfig
from tinysam2.core.contract import bank_spec
from tinysam2.core.units import KIB
from tinysam2.inputs.options import json_option

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

    from tinysam2.views.console import print_table

    rows = [(title, *(show(entry) for entry in presets)) for title, show in SHOWN.items()]
    print_table(("preset", *(str(entry["name"]) for entry in presets)), rows)


def _described(config: ModelConfig) -> dict[str, object]:
    """Every field of the preset's config, and what follows from them."""
    return {
        **asdict(config),
        "repvit_variant": next(name for name, variant in REPVIT_VARIANTS.items() if variant == config.repvit),
        "pooled_tokens": config.pooled_tokens,
        "tokens_per_frame": config.tokens_per_frame,
        "memory_tokens": config.memory_tokens,
        "memory_token_share": round(config.memory_token_share, 4),
        "bank_bytes_fp16": FP16_BYTES * sum(math.prod(tensor.shape) for tensor in bank_spec(config)),
    }


def _joined(values: tuple[int, ...]) -> str:
    return ", ".join(str(value) for value in values)


SHOWN: dict[str, Callable[[dict], str]] = {
    "image": lambda p: str(p["image_size"]),
    "RepViT": lambda p: p["repvit_variant"],
    "RepViT widths": lambda p: _joined(p["repvit"]["widths"]),
    "RepViT depths": lambda p: _joined(p["repvit"]["depths"]),
    "hidden width": lambda p: str(p["hidden_dim"]),
    "memory width": lambda p: str(p["memory_dim"]),
    "memory layers": lambda p: str(p["memory_layers"]),
    "slots": lambda p: str(p["bank"]["slots"]),
    "pointers": lambda p: str(p["bank"]["pointers"]),
    "spatial pool": lambda p: str(p["bank"]["spatial_pool"]),
    "tokens, conditioning frame": lambda p: f"{p['pooled_tokens']:,}",
    "tokens, every other frame": lambda p: f"{p['tokens_per_frame']:,}",
    "tokens in all": lambda p: f"{p['memory_tokens']:,}",
    "share of dense memory": lambda p: f"{p['memory_token_share']:.2%}",
    "quality threshold": lambda p: f"{p['bank']['quality_threshold']:g}",
    "frames a quality level is worth": lambda p: str(p["bank"]["level_frames"]),
    "bank fp16 KiB": lambda p: f"{p['bank_bytes_fp16'] / KIB:.1f}",
}
"""What the table shows of a preset, row by row."""
