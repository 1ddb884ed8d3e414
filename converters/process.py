"""The process that converts a model to one target: `python -m tinysam2.converters.process`."""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinysam2.core.config import preset
from tinysam2.core.fresh_process import answering
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import INT8, Target, target
from tinysam2.core.units import KIB

if TYPE_CHECKING:
    from tinysam2.models.weights.checkpoint import LoadedModel

STATUS = Path("/proc/self/status")


def main(arguments: Sequence[str], say: Callable[..., None]) -> None:
    """Converts, and answers in lines of JSON: `stage` as each begins, then `files`, `peak_bytes` and
    `processor_seconds`; or `refused` and why."""
    parser = argparse.ArgumentParser(prog="python -m tinysam2.converters.process", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("precision")
    parser.add_argument("preset")
    parser.add_argument("weights", type=Path, help="a checkpoint")
    parser.add_argument("folder", type=Path, help="where the artifacts go")
    chosen = parser.parse_args(arguments)
    # Before torch and numpy are imported. On the small tensors of a conversion a second thread only waits, for minutes
    # where other processes use the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    with silenced():
        from tinysam2.models.weights.checkpoint import load_model

        loaded = load_model(preset(chosen.preset), chosen.weights, quantized=chosen.precision == INT8)
        files = convert_target(
            loaded, target(chosen.target), chosen.precision, chosen.folder, lambda stage: say(stage=stage)
        )
    say(files=dict(files), peak_bytes=_peak_bytes(), processor_seconds=time.process_time())


def convert_target(
    loaded: "LoadedModel",
    target: Target,
    precision: str,
    folder: Path,
    progress: Callable[[str], None] = lambda stage: None,
) -> Mapping[str, str]:
    """Converts a model to one target in this process; returns program -> file name. progress: is told each stage."""
    from tinysam2.converters.export import export_programs, shared_provenance
    from tinysam2.models.quantization.conversion import with_float_weights

    quantized = loaded.recipe is not None
    float_weights = quantized and target.float_weights
    converter = target.load_converter()
    model = with_float_weights(loaded.model) if float_weights else loaded.model
    # LiteRT's converter would round the table to int8; it keeps the sines.
    with shared_provenance():
        programs = list(export_programs(model, quantized and not float_weights, progress))
        return converter.convert(programs, precision, folder, progress)


def _peak_bytes() -> int:
    """The most that this process had resident."""
    if STATUS.exists():
        # What getrusage tells counts the process that this one was forked from.
        return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else KIB)


if __name__ == "__main__":
    answering(main)
