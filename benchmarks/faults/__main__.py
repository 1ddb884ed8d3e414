"""Breaks artifacts and what runs them, one fault at a time, and tells which gates fail.

    python -m benchmarks.faults --output faults

Every fault is made in a copy of an unmodified artifact, or around its programs, and validated on the embedded clip as
`tinysam2 validate` does. Exit status: 0 where unmodified artifacts pass and every fault that changes masks visibly is
refused or fails a gate, 1 where not, 2 bad input.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.command import Benchmark
from benchmarks.converting import converted
from benchmarks.faults.bench import KEPT, Bench, Broken, Fault, Remembering, copy_fault
from benchmarks.faults.files import FILE_FAULTS, INTEGER_FAULTS
from benchmarks.faults.frames import FRAME_FAULTS
from benchmarks.faults.loop import LOOP_FAULTS
from benchmarks.faults.measuring import VISIBLE_IOU, Finding, follow, refused
from benchmarks.faults.table import LEGEND, markdown
from benchmarks.faults.weights import WEIGHT_FAULTS
from tinysam2.core.artifacts import card_path
from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.core.files import write_text
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.models.weights.checkpoint import LoadedModel, load_model
from tinysam2.validation.parity.scenes import sample_scene
from tinysam2.validation.validate import read_cards
from tinysam2.views.console import Steps, shown_steps

HONEST = copy_fault("unmodified", "none", "", lambda folder, bench: None)

FAULTS = (HONEST, *LOOP_FAULTS, *FRAME_FAULTS, *WEIGHT_FAULTS, *FILE_FAULTS, *INTEGER_FAULTS)

PRECISIONS = {"coreml": "fp16", "executorch": "fp32", "tflite": "fp16"}
"""What is converted where there are no artifacts: every target, and both sets of limits."""


def benches(loaded: LoadedModel, folder: Path) -> list[Bench]:
    """The unmodified artifacts in a folder; `InputError` where they were made from other weights."""
    found = []
    for card in read_cards(folder):
        if card.weights_digest != loaded.digest:
            raise InputError(
                f"{card_path(folder, card.target)} was made from other weights ({card.weights}) than "
                f"{loaded.source}; convert again, or name those with --checkpoint"
            )
        found.append(Bench(loaded, folder, card, Remembering(load_artifacts(card.target_entry, folder), KEPT)))
    return found


def break_one(bench: Bench, faults: Sequence[Fault], frames: int, steps: Steps) -> list[Finding]:
    """What is found of every fault in one artifact, in the faults' order."""
    found: dict[str, Finding] = {}
    broken: dict[Fault, Broken] = {}
    steps.begin(f"breaking {bench.name}")
    for fault in faults:
        if not fault.applies(bench):
            continue
        try:
            broken[fault] = fault.breaks(bench)
        except InputError as error:
            found[fault.name] = refused(bench, fault, str(error))
    scene = sample_scene(frames)
    pictures = steps.counted(scene.read_frames(), f"validating {bench.name}", scene.frame_count)
    followed = follow(bench, broken, TorchBackend(bench.loaded.model), scene, pictures)
    found |= {finding.fault: finding for finding in followed}
    return [found[fault.name] for fault in faults if fault.name in found]


@click.command(cls=Benchmark)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR")
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Honest artifacts.  [default: DIR/artifacts of --output, converted unless they are there]",
)
@click.option("--checkpoint", metavar="FILE", help="Their weights; int8 weights for int8 artifacts.  [default: nano's]")
@click.option("--frames", type=click.IntRange(3), default=10, show_default=True, help="Of the embedded clip.")
@click.option("--only", multiple=True, metavar="NAME", help="Faults to make; repeatable.  [default: all]")
def main(output: Path, artifacts: Path | None, checkpoint: str | None, frames: int, only: tuple[str, ...]) -> None:
    """Break nano's artifacts in every way there is; prints a table, and writes faults.md and faults.json to DIR.

    \b
    Example:
      python -m benchmarks.faults --output faults
      python -m benchmarks.faults --output faults --only unmodified --only late-bank
    """
    findings = _findings(output, artifacts, checkpoint, frames, only)
    table = f"{markdown(findings)}\n{LEGEND}\n"
    write_text(output / "faults.md", table)
    write_text(output / "faults.json", json.dumps([finding.to_json() for finding in findings], indent=2) + "\n")
    click.echo(table)
    wrong = [finding for finding in findings if _misjudged(finding)]
    for finding in wrong:
        click.echo(f"{finding.fault} in {finding.artifact}: {finding.verdict}, mean mask IoU {finding.mean_iou:.4f}")
    click.echo(
        f"{sum(finding.fault != HONEST.name for finding in findings)} broken artifacts and runtimes; "
        + ("the gates are wrong about those above" if wrong else f"none below {VISIBLE_IOU} got through")
    )
    sys.exit(1 if wrong else 0)


def _misjudged(finding: Finding) -> bool:
    """Whether the gates let a visible fault through, or fail an unmodified artifact."""
    passed = finding.verdict == "passed"
    return finding.visible if passed else finding.fault == HONEST.name


def _findings(
    output: Path, artifacts: Path | None, checkpoint: str | None, frames: int, only: tuple[str, ...]
) -> list[Finding]:
    names = [fault.name for fault in FAULTS]
    if unknown := sorted(set(only) - set(names)):
        raise InputError(f"there is no fault {unknown[0]}; the faults are {', '.join(names)}")
    chosen = [fault for fault in FAULTS if not only or fault.name in only]
    with shown_steps() as steps, one_thread():
        steps.begin("loading and converting the model")
        loaded = load_model(preset("nano"), checkpoint, quantized=None)
        folder = artifacts or output / "artifacts"
        if artifacts is None:
            converted(loaded, PRECISIONS, folder)
        return [finding for bench in benches(loaded, folder) for finding in break_one(bench, chosen, frames, steps)]


if __name__ == "__main__":
    main()
