"""How far a bundle's runtimes are apart on its golden vectors: what the tolerances of `tinysam2 verify` must allow."""

from itertools import combinations
from pathlib import Path

import click
import numpy as np

from tinysam2.inputs.options import FILE_OR_FOLDER
from tinysam2.scoring.metrics import mask_iou, sqnr_db
from tinysam2.validation.bundles.opening import opened_bundle
from tinysam2.validation.golden.gates import SMALLEST_SHARE
from tinysam2.validation.golden.reading import Golden, read_golden
from tinysam2.views.console import print_table


@click.command()
@click.argument("bundle", type=FILE_OR_FOLDER)
def command(bundle: Path) -> None:
    """Print, for each two targets in the BUNDLE, the SQNR of each program and the mask IoU of the golden trace.

    \b
    Example:
      python -m benchmarks.golden_differences dist/android
    """
    with opened_bundle(bundle) as folder:
        golden = read_golden(folder)
        for first, second in combinations(golden.index["trace"]["results"], 2):
            click.echo(f"{first} and {second}")
            print_table(("", "least", "mean"), [*_programs(golden, first, second), _trace(golden, first, second)])


def _programs(golden: Golden, first: str, second: str) -> list[tuple[str, str, str]]:
    found: dict[str, list[float]] = {}
    for one, other in zip(golden.programs(first), golden.programs(second), strict=True):
        found.setdefault(one["program"], []).extend(
            sqnr_db(golden.tensors[one["outputs"][name]], golden.tensors[other["outputs"][name]])
            for name in one["outputs"]
        )
    return [(f"{name}, SQNR dB", f"{min(all_):.1f}", f"{np.mean(all_):.1f}") for name, all_ in found.items()]


def _trace(golden: Golden, first: str, second: str) -> tuple[str, str, str]:
    results = golden.index["trace"]["results"]
    every, large = [], []
    for one, other in zip(results[first], results[second], strict=True):
        a, b = golden.tensors[one["ids"]], golden.tensors[other["ids"]]
        for object_id in map(int, one["objects"]):
            every.append(mask_iou(a == object_id, b == object_id))
            if (a == object_id).mean() >= SMALLEST_SHARE:
                large.append(every[-1])
    return "trace, mask IoU", f"{min(large):.4f}", f"{np.mean(every):.4f}"


if __name__ == "__main__":
    command()
