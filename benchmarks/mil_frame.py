"""Milliseconds of one frame of the nano preset in the MIL interpreter, beside torch in the same run.

    python -m benchmarks.mil_frame

A frame is each of the four programs once, for one object, on the inputs that the float model met on the third frame
of the embedded clip. Every round runs torch and the packages one after the other, on one thread; what is printed are
medians over the rounds. They are this processor's, and say nothing of Apple's runtime.
"""

import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import click
import torch

from benchmarks.converting import converted
from tinysam2.core.artifacts import read_card
from tinysam2.core.config import preset
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import TARGETS
from tinysam2.data.prompts import prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.weights.checkpoint import LoadedModel, load_model
from tinysam2.validation.parity.recording import Call, RecordingBackend
from tinysam2.views.console import print_table, shown_steps

FRAME = 2
"""The first that is neither prompted nor follows a prompted one alone."""

PRECISIONS = ("fp32", "fp16")

COREML = TARGETS["coreml"]


def recorded_frame(reference: Backend) -> list[Call]:
    """What the float model was asked on one frame."""
    clip, recorder = render_sample_clip(FRAME + 1), RecordingBackend(reference)
    tracker = Tracker(recorder)
    for index, frame in enumerate(clip.frames):
        recorder.take()
        tracker.track(frame, prompts_of_mask(clip.masks[0]) if index == 0 else None)
    return recorder.take()


def packages(loaded: LoadedModel, folder: Path) -> dict[str, Backend]:
    """The model's packages in the interpreter, by precision; converted into the folder unless they are there."""
    backends = {}
    for precision in PRECISIONS:
        of_precision = converted(loaded, {COREML.name: precision}, folder / precision)
        card = read_card(of_precision, COREML)
        with silenced():
            backends[f"mil_{precision}"] = COREML.load_backend().CoreMLBackend(of_precision, card, "interpreter")
    return backends


def measure(
    backends: Mapping[str, Backend], calls: list[Call], rounds: int, progress: Callable[[int], None]
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds by round: backend -> program, and `frame` for their sum -> one value a round."""
    spent = {name: {call.program: [] for call in calls} for name in backends}
    with one_thread():
        # The first round only warms up.
        for index in range(-1, rounds):
            for name, backend in backends.items():
                for call in calls:
                    began = time.perf_counter()
                    backend.run(call.program, call.inputs)
                    if index >= 0:
                        spent[name][call.program].append(1000 * (time.perf_counter() - began))
            progress(index + 1)
    for by_program in spent.values():
        by_program["frame"] = [sum(times) for times in zip(*by_program.values(), strict=True)]
    return spent


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=30, show_default=True)
@click.option(
    "--packages",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where nano's packages are, or are kept for the next time (fp16/, fp32/).  [default: a temporary folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(rounds: int, folder: Path | None, as_json: bool) -> None:
    """Time one frame of nano in the MIL interpreter, and its ratio to torch.

    \b
    Example:
      python -m benchmarks.mil_frame --rounds 50
    """
    with tempfile.TemporaryDirectory() as temporary, shown_steps() as steps:
        steps.begin("loading and converting the model")
        loaded = load_model(preset("nano"))
        reference = TorchBackend(loaded.model)
        backends = {"torch": reference, **packages(loaded, folder or Path(temporary))}
        calls = recorded_frame(reference)
        spent = measure(backends, calls, rounds, steps.counter("measuring"))
    medians = {name: {part: statistics.median(ms) for part, ms in of.items()} for name, of in spent.items()}
    fastest = {name: min(of["frame"]) for name, of in spent.items()}
    ratios = {name: of["frame"] / medians["torch"]["frame"] for name, of in medians.items()}
    if as_json:
        machine = {"processor": platform.machine(), "threads": 1, "torch": torch.__version__, "rounds": rounds}
        figures = {"median_ms": medians, "fastest_frame_ms": fastest, "ratio_to_torch": ratios}
        click.echo(json.dumps({**figures, **machine}, indent=2))
        return
    click.echo(f"median ms of {rounds} rounds, one thread, {platform.machine()}")
    print_table(
        ("", *medians),
        (
            *((part, *(f"{of[part]:.1f}" for of in medians.values())) for part in medians["torch"]),
            ("fastest frame", *(f"{ms:.1f}" for ms in fastest.values())),
            ("ratio to torch", *(f"{ratio:.2f}" for ratio in ratios.values())),
        ),
    )


if __name__ == "__main__":
    main()
