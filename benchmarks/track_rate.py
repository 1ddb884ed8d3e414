"""Frames a second of `track`, serial and in a pipeline, in one alternating run.

    python -m benchmarks.track_rate

Every round tracks the embedded clip once serially and once in a pipeline, to a folder of masks and an overlay video,
and counts the frames from the first few to the last, so that starting and loading count for neither. Printed are
medians over the rounds, the median of each round's ratio, and the processor milliseconds a frame of the serial process
and of the pipeline's three, the least of all rounds. On cores that nothing else uses, the ratio would be the serial
time over the pipeline's slowest process, or over its share of all work by core where that is more: other work on the
machine changes the rates, and this hardly. Linux only.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import click

from benchmarks.converting import converted
from tinysam2.core.config import preset
from tinysam2.core.launching import usable_cores
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS, TORCH
from tinysam2.data.clips import Clip, open_clip
from tinysam2.data.prompts import FramePrompts, prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip, write_sample_clip
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.clip_pipeline import Pipeline, started_pipeline
from tinysam2.mobile_runtime.clip_tracking import track_clip
from tinysam2.mobile_runtime.loading import keep_on_one_thread, load_artifacts
from tinysam2.mobile_runtime.stages import Stage
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.models.weights.checkpoint import load_model
from tinysam2.views.console import print_table, shown_steps

LEFT_OUT = 5
"""Frames at the clip's beginning that do not count."""

RUNTIMES = ("executorch", "tflite", TORCH)

TORCH_MODULE = "tinysam2.mobile_runtime.torch_backend"

PARTS = ("track", "read and encode", "draw and write")
"""The processes of a pipeline."""


def loaded_backend(runtime: str, config: str, folder: Path) -> Backend:
    """The preset in a runtime: int8 artifacts, converted unless they are in the folder, or torch in fp32."""
    if runtime == TORCH:
        return TorchBackend(load_model(preset(config)).model)
    converted(load_model(preset(config), quantized=True), {runtime: INT8}, folder)
    return load_artifacts(TARGETS[runtime], folder)


@dataclass(frozen=True)
class Rate:
    """Frames a second, and processor milliseconds a frame of the tracking process, the encoder and the writer."""

    frames_per_second: float
    processor_ms: list[float]


def prompts() -> dict[int, FramePrompts]:
    """The clip's object, by its mask on the first frame."""
    return {0: FramePrompts(prompts_of_mask(render_sample_clip(1).masks[0]))}


def rate(
    backend: Backend, clip: Clip, asked: Mapping[int, FramePrompts], output: Path, pipeline: Pipeline | None
) -> Rate:
    """The rate from the first frames that are tracked to the last."""
    stamps: list[tuple[float, ...]] = []
    stages = () if pipeline is None else (pipeline.encoder, pipeline.writer)

    def watch(frames: Iterable, *_: object) -> Iterator:
        for frame in frames:
            yield frame
            stamps.append((time.perf_counter(), time.process_time(), *map(processor_seconds, stages)))

    track_clip(backend, clip, asked, output, watch, pipeline)
    counted = stamps[LEFT_OUT:]
    seconds = [(last - first) / (len(counted) - 1) for first, last in zip(counted[0], counted[-1], strict=True)]
    return Rate(1 / seconds[0], [1000 * spent for spent in seconds[1:]])


def processor_seconds(stage: Stage) -> float:
    """What a stage's process has taken so far, as Linux counts it in hundredths."""
    fields = Path(f"/proc/{stage.process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serial(connection: Connection, load: Callable[[], Backend], clip: Clip, output: Path) -> None:
    """Gives the rate of a serial run, in a process that has the runtime's own number of threads."""
    with silenced():
        backend = load()
    connection.send(rate(backend, clip, prompts(), output, None))


def measured(backend: Backend, clip: Clip, folder: Path, rounds: int, progress: Callable[[int, str], None]) -> dict:
    """Rates by round, and the processor times of each process, the least of all rounds."""
    found: dict[str, list[Rate]] = {"serial": [], "pipeline": []}
    module, asked = type(backend).__module__, prompts()
    for number in range(rounds):
        with Stage(module) as stage:
            stage.begin(serial, backend.loader(), clip, folder / "serial")
            found["serial"].append(stage.receive())
        with started_pipeline(module) as pipeline:
            found["pipeline"].append(rate(backend, clip, asked, folder / "pipeline", pipeline))
        progress(number + 1, " and ".join(f"{of[-1].frames_per_second:.1f} f/s {how}" for how, of in found.items()))
    rates = {how: [one.frames_per_second for one in of] for how, of in found.items()}
    times = {how: [min(of) for of in zip(*(one.processor_ms for one in of), strict=True)] for how, of in found.items()}
    beside = times["pipeline"]
    ratios = [fast / slow for fast, slow in zip(rates["pipeline"], rates["serial"], strict=True)]
    return {
        "frames_per_second": {how: statistics.median(of) for how, of in rates.items()},
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "processor_ms_per_frame": times,
        "ratio_on_idle_cores": times["serial"][0] / max(max(beside), sum(beside) / min(len(beside), usable_cores())),
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
            progress = steps.measured(f"tracking with {runtime}", rounds)
            figures[runtime] = measured(backend, clip, temporary, rounds, progress)
    if as_json:
        machine = {"processor": platform.machine(), "cores": usable_cores(), "rounds": rounds, "frames": frames}
        click.echo(json.dumps({**figures, **machine}, indent=2))
        return
    click.echo(f"{config}, medians of {rounds} rounds of {frames} frames, {usable_cores()} cores, {platform.machine()}")
    print_table(
        ("", "serial f/s", "pipeline f/s", "ratio", "on idle cores", "serial ms", *(f"{part} ms" for part in PARTS)),
        (
            (
                runtime,
                *(f"{value:.1f}" for value in of["frames_per_second"].values()),
                f"{of['ratio']:.2f}",
                f"{of['ratio_on_idle_cores']:.2f}",
                *(f"{value:.1f}" for times in of["processor_ms_per_frame"].values() for value in times),
            )
            for runtime, of in figures.items()
        ),
    )


if __name__ == "__main__":
    main()
