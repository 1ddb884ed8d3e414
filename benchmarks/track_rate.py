"""Frames a second of `track`, serial and in a pipeline, in one alternating run.

    python -m benchmarks.track_rate

Every round tracks the embedded clip once serially and once in a pipeline, to a folder of masks and an overlay video,
and counts the frames between the first and the last few, so that starting and loading count for neither. Printed
are medians over the rounds, the median of each round's ratio, and what the processor times of the serial run's parts
allow: a pipeline of three processes cannot be faster than its slowest part, nor than half of all work on two cores.
"""

import json
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import click

from benchmarks.converting import converted
from tinysam2.core.config import preset
from tinysam2.core.launching import cores
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS, TORCH
from tinysam2.data.clips import Clip, open_clip
from tinysam2.data.prompts import FramePrompts, prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip, write_sample_clip
from tinysam2.mobile_runtime import clip_tracking
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.clip_pipeline import Pipeline, results, started_pipeline
from tinysam2.mobile_runtime.clip_tracking import track_clip
from tinysam2.mobile_runtime.loading import keep_on_one_thread, load_artifacts
from tinysam2.mobile_runtime.stages import Stage
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.views.console import print_table, shown_steps

LEFT_OUT = 5
"""Frames at the clip's beginning that do not count."""

RUNTIMES = ("executorch", "tflite", TORCH)

TORCH_MODULE = "tinysam2.mobile_runtime.torch_backend"

READ, TRACK, WRITE = "read and encode", "track", "draw and write"


def loaded_backend(runtime: str, config: str, folder: Path) -> Backend:
    """The preset in a runtime: int8 artifacts, converted unless they are in the folder, or torch in fp32."""
    if runtime == TORCH:
        return TorchBackend(load_model(preset(config)).model)
    converted(load_model(preset(config), quantized=True), {runtime: INT8}, folder)
    return load_artifacts(TARGETS[runtime], folder)


def rate(backend: Backend, clip: Clip, output: Path, pipeline: Pipeline | None) -> float:
    """Frames a second from the first frames that are tracked to the last."""
    stamps: list[float] = []

    def watch(frames: Iterable, *_: object) -> Iterator:
        for frame in frames:
            yield frame
            stamps.append(time.perf_counter())

    prompts = {0: FramePrompts(prompts_of_mask(render_sample_clip(1).masks[0]))}
    track_clip(backend, clip, prompts, output, watch, pipeline)
    counted = stamps[LEFT_OUT:]
    return (len(counted) - 1) / (counted[-1] - counted[0])


@contextmanager
def processor_times(seconds: dict[str, float]) -> Iterator[None]:
    """Adds the processor seconds of reading with encoding, tracking and writing of what is tracked serially within."""
    track, written = Tracker.track, results

    def timed(part: str, function: Callable) -> Callable:
        def run(*arguments: object) -> object:
            started = time.process_time()
            try:
                return function(*arguments)
            finally:
                seconds[part] += time.process_time() - started

        return run

    @contextmanager
    def timed_results(*arguments):
        with written(*arguments) as write:
            yield timed(WRITE, write)

    Tracker.track, clip_tracking.results = timed(TRACK, track), timed_results
    started = time.process_time()
    try:
        yield
    finally:
        Tracker.track, clip_tracking.results = track, written
        seconds[READ] += time.process_time() - started - seconds[TRACK] - seconds[WRITE]


def serial(connection: Connection, load: Callable[[], Backend], clip: Clip, output: Path) -> None:
    """Gives the rate of a serial run, in a process that has the runtime's own number of threads, and its times."""
    with silenced():
        backend = load()
    seconds: dict[str, float] = defaultdict(float)
    with processor_times(seconds):
        found = rate(backend, clip, output, None)
    connection.send((found, dict(seconds)))


def measured(backend: Backend, clip: Clip, folder: Path, rounds: int, progress: Callable[[int], None]) -> dict:
    """Rates by round, and the serial runs' processor milliseconds a frame, the least of all rounds."""
    rates: dict[str, list[float]] = {"serial": [], "pipeline": []}
    seconds: list[dict[str, float]] = []
    module = type(backend).__module__
    for number in range(rounds):
        with Stage(module) as stage:
            stage.begin(serial, backend.loader(), clip, folder / "serial")
            found, spent = stage.receive()
        rates["serial"].append(found)
        seconds.append(spent)
        with started_pipeline(module) as pipeline:
            rates["pipeline"].append(rate(backend, clip, folder / "pipeline", pipeline))
        progress(number + 1)
    parts = {part: 1000 * min(s[part] for s in seconds) / (clip.frame_count or 1) for part in (READ, TRACK, WRITE)}
    ratios = [fast / slow for fast, slow in zip(rates["pipeline"], rates["serial"], strict=True)]
    return {
        "frames_per_second": {how: statistics.median(of) for how, of in rates.items()},
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "processor_ms_per_frame": parts,
        "ratio_bound": sum(parts.values()) / max(max(parts.values()), sum(parts.values()) / min(3, cores())),
    }


@click.command()
@click.option("--preset", "config", default="nano", show_default=True)
@click.option("--runtime", "runtimes", type=click.Choice(RUNTIMES), multiple=True, default=RUNTIMES, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--frames", type=click.IntRange(2 * LEFT_OUT), default=200, show_default=True, help="Of the clip.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the artifacts are, or are kept for the next time (executorch/, tflite/).  [default: a temporary one]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(config: str, runtimes: tuple[str, ...], rounds: int, frames: int, folder: Path | None, as_json: bool) -> None:
    """Measure how many frames a second `track` comes to, serially and in a pipeline.

    \b
    Example:
      python -m benchmarks.track_rate --runtime tflite --rounds 9
    """
    figures = {}
    with tempfile.TemporaryDirectory() as name, shown_steps() as steps:
        temporary = Path(name)
        steps.begin("rendering the clip")
        clip = open_clip(write_sample_clip(temporary / "koi", frames) / "frames")
        for runtime in runtimes:
            steps.begin(f"loading {runtime}")
            keep_on_one_thread(TORCH_MODULE if runtime == TORCH else TARGETS[runtime].backend or "")
            backend = loaded_backend(runtime, config, (folder or temporary) / runtime)
            progress = steps.counter(f"tracking with {runtime}")
            figures[runtime] = measured(backend, clip, temporary, rounds, progress)
    if as_json:
        machine = {"processor": platform.machine(), "cores": cores(), "rounds": rounds, "frames": frames}
        click.echo(json.dumps({**figures, **machine}, indent=2))
        return
    click.echo(f"{config}, medians of {rounds} rounds of {frames} frames, {cores()} cores, {platform.machine()}")
    print_table(
        ("", "serial f/s", "pipeline f/s", "ratio", "bound", *(f"{part} ms" for part in (READ, TRACK, WRITE))),
        (
            (
                runtime,
                *(f"{value:.1f}" for value in of["frames_per_second"].values()),
                f"{of['ratio']:.2f}",
                f"{of['ratio_bound']:.2f}",
                *(f"{value:.1f}" for value in of["processor_ms_per_frame"].values()),
            )
            for runtime, of in figures.items()
        ),
    )


if __name__ == "__main__":
    main()
