"""Bytes of the artifacts and milliseconds of the image encoder, int8 beside fp32 in the same run.

    python -m benchmarks.int8_against_fp32 --checkpoint int8.safetensors --float float.safetensors

Every round runs both precisions of ExecuTorch and LiteRT one after the other, on one thread, on the same frame; what
is printed are medians over the rounds, and the fastest round, which other work on the machine disturbs least. They are
this processor's, and no phone's; the ratio of one run's two is what carries over best.
"""

import json
import platform
import statistics
import tempfile
from pathlib import Path

import click

from benchmarks.converting import converted
from benchmarks.mil_frame import measure, recorded_frame
from tinysam2.core.artifacts import read_card
from tinysam2.core.config import preset
from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.core.files import bytes_in
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.models.weights.checkpoint import LoadedModel, load_model
from tinysam2.views.console import print_table, shown_steps

PRECISIONS = ("fp32", INT8)

RUNTIMES = ("executorch", "tflite")
"""Those that run natively on Linux."""


def artifacts(loaded: LoadedModel, precision: str, folder: Path) -> dict[str, tuple[Backend, int]]:
    """By target, the model's artifacts in their runtime and their bytes; converted unless they are there."""
    found = {}
    converted(loaded, dict.fromkeys(RUNTIMES, precision), folder)
    for name in RUNTIMES:
        files = set(read_card(folder, TARGETS[name]).files.values())
        found[name] = load_artifacts(TARGETS[name], folder), sum(bytes_in(folder / file) for file in files)
    return found


def _keep_executorch_on_one_thread() -> None:
    """Its pool is the process's and heeds nothing that torch is told."""
    with silenced():
        from executorch.extension.pybindings import portable_lib

        portable_lib._unsafe_reset_threadpool(1)


@click.command()
@click.option("--preset", "config", default="nano", show_default=True, help="The checkpoints' preset.")
@click.option("--checkpoint", help="An int8 checkpoint.  [default: the preset's shipped one]")
@click.option("--float", "float_checkpoint", help="A float checkpoint.  [default: the preset's]")
@click.option("--rounds", type=click.IntRange(1), default=30, show_default=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the artifacts are, or are kept for the next time (fp32/, int8/).  [default: a temporary folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    config: str, checkpoint: str | None, float_checkpoint: str | None, rounds: int, folder: Path | None, as_json: bool
) -> None:
    """Compare int8 with fp32: bytes, and the image encoder's time.

    \b
    Example:
      python -m benchmarks.int8_against_fp32 --checkpoint int8.safetensors --rounds 50
    """
    with tempfile.TemporaryDirectory() as temporary, shown_steps() as steps:
        steps.begin("loading and converting the models")
        _keep_executorch_on_one_thread()
        models = {
            "fp32": load_model(preset(config), float_checkpoint),
            INT8: load_model(preset(config), checkpoint, quantized=True),
        }
        made = {p: artifacts(models[p], p, (folder or Path(temporary)) / p) for p in PRECISIONS}
        calls = [c for c in recorded_frame(TorchBackend(models["fp32"].model)) if c.program == IMAGE_ENCODER]
        backends = {f"{name} {p}": made[p][name][0] for name in RUNTIMES for p in PRECISIONS}
        spent = measure(backends, calls, rounds, steps.counter("measuring"))
    figures = {}
    for name in RUNTIMES:
        times = {p: spent[f"{name} {p}"][IMAGE_ENCODER] for p in PRECISIONS}
        medians = {p: statistics.median(of) for p, of in times.items()}
        fastest = {p: min(of) for p, of in times.items()}
        sizes = {p: made[p][name][1] for p in PRECISIONS}
        figures[name] = {
            "bytes": sizes,
            "bytes_ratio": sizes[INT8] / sizes["fp32"],
            "median_ms": medians,
            "median_ratio": medians[INT8] / medians["fp32"],
            "fastest_ms": fastest,
            "fastest_ratio": fastest[INT8] / fastest["fp32"],
        }
    if as_json:
        machine = {"processor": platform.machine(), "threads": 1, "rounds": rounds}
        click.echo(json.dumps({**figures, **machine}, indent=2))
        return
    click.echo(f"image encoder, median and fastest ms of {rounds} rounds, one thread, {platform.machine()}")
    print_table(
        ("", "fp32 bytes", "int8 bytes", "ratio", "fp32 ms", "int8 ms", "ratio", "fastest", "fastest", "ratio"),
        (
            (
                TARGETS[name].title,
                *(f"{size:,}" for size in of["bytes"].values()),
                f"{of['bytes_ratio']:.3f}",
                *(f"{ms:.2f}" for ms in of["median_ms"].values()),
                f"{of['median_ratio']:.2f}",
                *(f"{ms:.2f}" for ms in of["fastest_ms"].values()),
                f"{of['fastest_ratio']:.2f}",
            )
            for name, of in figures.items()
        ),
    )


if __name__ == "__main__":
    main()
