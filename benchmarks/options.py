"""Options that several benchmarks share: under what conditions they measure, and where they write."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import torch

from benchmarks.frame.contenders import FLOAT32, Setting
from benchmarks.frame.runtimes import RUNTIMES, TORCH
from benchmarks.frame.timing import CLOCKS, WALL
from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, write_text
from tinysam2.core.launching import usable_cores
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.inputs.options import grouped

FILE = click.Path(path_type=Path, dir_okay=False)

CLOCK_HELP = "Processor time is what a busy machine does not stretch; use it with one thread."


@dataclass(frozen=True)
class Conditions:
    """What runs, and how it is timed. Raises InputError where the runtime has no such precision, or the computer not so
    many cores."""

    preset_name: str
    precision: str
    runtime: str
    threads: int
    clock: str

    def __post_init__(self) -> None:
        if self.runtime == TORCH and self.precision == INT8:
            raise InputError(
                "torch runs int8 models in float; choose --precision fp32, or --runtime executorch or tflite"
            )
        if self.threads > (cores := usable_cores()):
            raise InputError(f"--threads is {self.threads}; this computer has {cores} cores, so give at most {cores}")

    @property
    def title(self) -> str:
        """The conditions in words."""
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.preset_name} {self.precision} in {runtime_title(self.runtime)}, {threads}, {self.clock} time"

    def setting(self, folder: Path, checkpoint: str | None = None) -> Setting:
        """As contenders take them. Raises InputError where there is no such preset."""
        config = preset(self.preset_name)
        return Setting(config, self.runtime, self.precision, self.threads, folder, checkpoint, self.clock)

    def to_json(self) -> dict[str, object]:
        return {("preset" if name == "preset_name" else name): value for name, value in vars(self).items()}

    @contextmanager
    def held(self) -> Iterator[None]:
        """PyTorch on as many threads within the block."""
        former = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(former)


@dataclass(frozen=True)
class Outputs:
    """Where lowered files are kept, and where the figures and the picture go. Raises InputError where a file cannot be
    written."""

    artifacts: Path | None
    json_file: Path | None
    plot_file: Path | None

    def __post_init__(self) -> None:
        for file in filter(None, (self.json_file, self.plot_file)):
            check_output_file(file)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Of lowered files: the one that is asked for, or a temporary one."""
        with tempfile.TemporaryDirectory() as temporary:
            yield self.artifacts or Path(temporary)

    def write(self, found: Mapping, draw: Callable[[Mapping, Path, str], None], title: str) -> None:
        """Writes what is asked for."""
        if self.json_file:
            write_text(self.json_file, json.dumps(found, indent=2) + "\n")
        if self.plot_file:
            draw(found, self.plot_file, title)


def runtime_title(runtime: str) -> str:
    """A runtime's name as people write it."""
    return "PyTorch" if runtime == TORCH else TARGETS[runtime].title


def conditions_options(preset_name: str, runtime: str) -> Callable[[Callable], Callable]:
    """The options of `Conditions`, with their defaults."""
    shown = {"show_default": True}
    options = {
        "preset_name": click.option("--preset", "preset_name", default=preset_name, metavar="NAME", **shown),
        "precision": click.option("--precision", type=click.Choice((FLOAT32, INT8)), default=FLOAT32, **shown),
        "runtime": click.option("--runtime", type=click.Choice(RUNTIMES), default=runtime, **shown),
        "threads": click.option("--threads", type=click.IntRange(1), default=1, **shown),
        "clock": click.option("--clock", type=click.Choice(tuple(CLOCKS)), default=WALL, help=CLOCK_HELP, **shown),
    }
    return grouped("conditions", Conditions, options)


outputs_options = grouped(
    "outputs",
    Outputs,
    {
        "artifacts": click.option(
            "--artifacts",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Where lowered files are, or are kept for the next time.  [default: a temporary folder]",
        ),
        "json_file": click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write everything as JSON."),
        "plot_file": click.option("--plot", "plot_file", type=FILE, metavar="FILE", help="Draw it, PNG."),
    },
)
