"""`python -m benchmarks growth`."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click

from benchmarks.frame.contenders import Setting
from benchmarks.frame.machine import described
from benchmarks.frame.timing import CLOCKS, in_turn
from benchmarks.growth.measuring import (
    READINGS,
    SETTLED,
    InTurn,
    at_size,
    backend_of,
    measured_points,
    over_frames,
    over_objects,
    over_sizes,
    with_tokens,
)
from benchmarks.growth.plot import draw_growth
from benchmarks.options import Conditions, Outputs, conditions_options, outputs_options
from tinysam2.core.config import PRESETS, ModelConfig, register_config
from tinysam2.core.errors import InputError
from tinysam2.core.targets import TORCH
from tinysam2.core.units import KIB, MIB
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.quantization.recipe import PROGRAMS
from tinysam2.views.console import Steps, print_table, shown_steps


def whole_numbers(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """Positive whole numbers between commas, at least two of them or none, in rising order."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if any(not word.isdecimal() or int(word) < 1 for word in words):
        raise click.BadParameter(f"'{text}' must be positive whole numbers between commas, as in 1,2,4")
    if len(numbers := sorted({int(word) for word in words})) == 1:
        raise click.BadParameter(f"'{text}' is one number; a line needs two")
    return tuple(numbers)


@click.command("growth", short_help="How time and memory grow.")
@conditions_options(preset_name="nano", runtime=TORCH)
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True, help="Of objects, sizes and tokens.")
@click.option("--frames", type=int, default=10_000, show_default=True, help="Of one video; 0: leave it out.")
@click.option("--objects", callback=whole_numbers, default="1,2,4,8", show_default=True, help="Empty: leave it out.")
@click.option("--sizes", callback=whole_numbers, default="256,512,1024", show_default=True, help="Sides in pixels.")
@click.option("--tokens", callback=whole_numbers, default="", help="Of every frame but the conditioning one.")
@outputs_options
def command(conditions: Conditions, outputs: Outputs, **chosen: Any) -> None:
    """Measure how a frame's time and memory grow with the video's length, objects, image size and memory tokens.

    \b
    Example:
      python -m benchmarks growth --preset nano --frames 1000 --tokens 10,20,40 --plot growth.png
    """
    with outputs.folder() as folder, shown_steps() as steps, conditions.held():
        found = conditions.to_json() | {"machine": described()}
        found |= measure(conditions.setting(folder), steps, **chosen)
    print_growth(found)
    outputs.write(found, draw_growth, conditions.title)


def measure(
    setting: Setting,
    steps: Steps,
    rounds: int,
    frames: int,
    objects: Sequence[int],
    sizes: Sequence[int],
    tokens: Sequence[int],
) -> dict:
    """Measures what is asked for. The options are the command's; raises InputError where a size cannot be made."""
    if frames and frames < (least := SETTLED + 2 * READINGS):
        raise InputError(f"--frames is {frames}; give at least {least}, or 0 to leave it out")
    of_size = {size: varied(setting, at_size, size) for size in sizes}
    of_tokens = {number: varied(setting, with_tokens, number) for number in tokens}
    found = {}

    def in_rounds(progress: Callable[[int], None] = lambda rounds_done: None) -> InTurn:
        return functools.partial(in_turn, rounds=rounds, progress=progress, clock=CLOCKS[setting.clock])

    if frames or objects:
        steps.begin(f"preparing {setting.config.name}")
        backend = backend_of(setting)
    if frames:
        found["frames"] = over_frames(
            Tracker(backend), frames, steps.counter("tracking a long video"), CLOCKS[setting.clock]
        )
    if objects:
        found["objects"] = over_objects(backend, objects, in_rounds(steps.counter("tracking objects")))
    if sizes:
        found["sizes"] = over_sizes(measured_points(of_size, in_rounds(), steps.begin))
    if tokens:
        by_tokens = {float(of.config.memory_tokens): of for of in of_tokens.values()}
        found["tokens"] = over_sizes(measured_points(by_tokens, in_rounds(), steps.begin))
    return found


def varied(setting: Setting, change, number: int) -> Setting:
    """The setting with a changed config, registered so that artifacts can name it."""
    try:
        config: ModelConfig = change(setting.config, number)
    except ValueError as error:
        raise InputError(f"{setting.config.name} cannot be made with {number}: {error}") from error
    if config.name not in PRESETS:
        register_config(config)
    # Its weights are of other shapes or seeded: a checkpoint is of one size.
    return replace(setting, config=config, checkpoint=None)


def print_growth(found: dict) -> None:
    """Prints what was measured, in sentences and tables."""
    if along := found.get("frames"):
        slope = along["seconds_line"]["slope"]
        print(
            f"frames: {1000 * along['seconds'][0]:.1f} ms a frame at first, {1000 * along['seconds'][-1]:.1f} ms at "
            f"frame {along['frames'][-1]:,}; slope {1e6 * slope:+.2f} ms in a thousand frames"
        )
        if along["bytes_line"]:
            print(f"memory: {1000 * along['bytes_line']['slope'] / KIB:+.1f} KiB a thousand frames")
    if by_count := found.get("objects"):
        straight = by_count["seconds_line"]
        encoder = by_count["seconds"]["image_encoder"]["median"]
        print(
            f"objects: {1000 * straight['start']:.1f} ms a frame and {1000 * straight['slope']:.1f} ms an object "
            f"(R2 {straight['fit']:.4f}); the image encoder takes {1000 * encoder:.1f} ms"
        )
    for name, what in (("sizes", "image side, px"), ("tokens", "memory tokens")):
        if of_size := found.get(name):
            _print_sizes(of_size, what)


def _print_sizes(of_size: dict, what: str) -> None:
    rows = [
        (
            part,
            *(f"{1000 * spread['median']:.1f}" for spread in of_size["seconds"][part]),
            _power(of_size["exponents"][part]),
        )
        for part in (*PROGRAMS, "frame")
    ]
    held = ["" if size is None else f"{size / MIB:.1f}" for size in of_size["peak_memory_bytes"]]
    rows.append(("peak MiB", *held, _power(of_size["exponents"]["peak_memory"])))
    print_table((f"ms by {what}", *(f"{x:g}" for x in of_size["x"]), "power"), rows)


def _power(power: float | None) -> str:
    return "" if power is None else f"{power:.2f}"
