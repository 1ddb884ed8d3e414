"""`tinysam2 ship`: from weights to checked bundles, in one command."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.errors import InputError
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.inputs.conversion import GivenConversion, conversion_options
from tinysam2.inputs.options import (
    ALL,
    FILE_OR_FOLDER,
    TARGET,
    GivenMemoryCheck,
    GivenModel,
    Named,
    frames_option,
    grouped,
    memory_options,
    model_weights_options,
)
from tinysam2.inputs.shipping import GivenBundles, GivenDestination, disk_errors_told, named_platform, platforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinysam2.converters.bundle.writer import Contents
    from tinysam2.core.artifacts import ArtifactCard
    from tinysam2.validation.reporting.gallery import Shot
    from tinysam2.validation.reporting.report import Report

platform_option = click.option(
    "--platform",
    type=Named(named_platform, lambda: (*platforms(), ALL)),
    default=ALL,
    show_default=True,
    help="The phones to bundle for.",
)
runtime_option = click.option(
    "--runtime",
    "runtimes",
    type=TARGET,
    multiple=True,
    help="Only for this runtime; repeatable.  [default: all of the platform's]",
)
output_option = click.option(
    "--output", type=FILE_OR_FOLDER, default="dist", metavar="DIR", show_default=True, help="Folder for the bundles."
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace former bundles in DIR.")
keep_failed_option = click.option(
    "--keep-failed", is_flag=True, help="Write bundles that failed too; their manifests say so."
)
report_option = click.option(
    "--report",
    "reports",
    type=FILE_OR_FOLDER,
    multiple=True,
    metavar="FILE",
    help="Write the whole report, measured memory with it, as .html, .json, .md or .xml (JUnit). Repeatable.",
)


@click.command(short_help="Convert, validate and bundle for iOS and Android.")
@model_weights_options
@click.option(
    "--float",
    "floats",
    is_flag=True,
    help="Float weights, at each target's default precision, where int8 weights come with the preset.",
)
@frames_option
@conversion_options
@memory_options(measured=True)
@grouped("bundles", GivenBundles, {"platform": platform_option, "runtimes": runtime_option})
@grouped(
    "destination",
    GivenDestination,
    {
        "output": output_option,
        "overwrite": overwrite_option,
        "keep_failed": keep_failed_option,
        "reports": report_option,
    },
)
def command(
    given: GivenModel,
    floats: bool,
    frames: int | None,
    conversion: GivenConversion,
    memory: GivenMemoryCheck,
    bundles: GivenBundles,
    destination: GivenDestination,
) -> None:
    """Convert the model for every target, validate the artifacts on the embedded clip, and bundle what passed.

    In int8, where the weights are: a checkpoint of `tinysam2 quantize`, or those that come with the preset. Memory is
    held to a budget, and must not grow with the video.

    Writes a folder and a zip a platform, DIR/ios and DIR/ios.zip, say: artifacts, manifest, host code, model card,
    licences and report. One checkpoint gives the same bytes whenever and wherever it is shipped. Nothing is written
    when a gate fails, unless --keep-failed. Exit status: 0 passed, 1 a gate failed, 2 bad input.

    \b
    Example:
      tinysam2 ship
      tinysam2 ship --float
      tinysam2 ship --platform android --runtime tflite
      tinysam2 ship --preset nano --checkpoint mine.safetensors --output dist --overwrite
      tinysam2 ship --budget budget.json
    """
    targets = bundles.targets()
    for target in targets:
        target.require_installed()

    from tinysam2.validation.memory.budget import read_budget
    from tinysam2.validation.reporting.formats import check_report_file, write_report
    from tinysam2.views.console import shown_steps
    from tinysam2.views.validation import print_report

    limits = read_budget(memory.budget, given.preset.name)
    for file in destination.reports:
        check_report_file(file)
    destination.check(bundles.platforms())
    with (
        shown_steps() as steps,
        disk_errors_told(destination.output),
        tempfile.TemporaryDirectory(prefix="tinysam2-") as name,
    ):
        steps.begin("loading the model and the toolchains")
        from tinysam2.converters import convert
        from tinysam2.converters.bundle.documents import is_non_commercial
        from tinysam2.converters.bundle.writer import Contents
        from tinysam2.models.weights.checkpoint import load_model, shipped_weights
        from tinysam2.validation.golden.recording import record_artifacts
        from tinysam2.validation.parity.scenes import sample_scene
        from tinysam2.validation.reporting.gallery import Gallery
        from tinysam2.validation.reporting.outcome import outcome_key, validated_once
        from tinysam2.validation.reporting.page import render_page
        from tinysam2.validation.validate import measure_memory, validate_artifacts

        artifacts = Path(name)
        int8 = None if given.checkpoint else shipped_weights(given.preset.name, quantized=True) is not None
        loaded = load_model(given.preset, given.checkpoint, quantized=False if floats else int8)
        if loaded.recipe:
            left_out = [target.name for target in targets if INT8 not in target.precisions]
            precisions = {target.name: INT8 for target in targets if target.name not in left_out}
        else:
            left_out, precisions = [], {target.name: target.default_precision for target in targets}
        if not precisions:
            raise InputError(f"none of {', '.join(left_out)} has {INT8}, which the weights are in; give --float")
        progress = steps.shares("converting")
        cards = convert.convert_model(loaded, precisions, artifacts, progress, conversion.workers, conversion.cache)

        def validated() -> "tuple[Report, tuple[Shot, ...]]":
            gallery = Gallery()
            measured = (lambda: measure_memory(loaded, artifacts, steps.counter)) if memory.measure else dict
            scenes = [sample_scene(frames)]
            report = validate_artifacts(loaded, artifacts, scenes, steps.counted, limits, measured, gallery)
            return report, gallery.shots()

        key = outcome_key(loaded, cards, frames, limits, memory.measure)
        outcome, from_cache = validated_once(conversion.cache, key, validated)
        report, shots = outcome.report, outcome.shots
        for file in destination.reports:
            write_report(file, report.to_json(), shots)
        written: list[Path] = []
        if report.passed or destination.keep_failed:
            steps.begin("writing the bundles")
            bundled = report.reproducible().to_json()
            contents = Contents(bundled, render_page(bundled, shots), record_artifacts)
            shipped_to = [
                platform
                for platform in bundles.platforms()
                if any(platform in TARGETS[target].shipped_for for target in precisions)
            ]
            written = _write_bundles(destination, shipped_to, cards, artifacts, contents)
    print_report(report)
    if from_cache:
        click.echo(f"validation: of {outcome.made}, of the same artifacts on this machine; --no-cache validates again")
    if left_out:
        click.echo(f"left out, not available in {INT8}: {', '.join(left_out)}")
    for file in destination.reports:
        click.echo(f"report: {file}")
    for place in written:
        click.echo(f"{place.stem}: {place}")
    if not written:
        click.echo("no bundle was written; --keep-failed writes them all the same")
    trained_on = ", ".join(loaded.terms.trained_on) or "data that is not stated"
    trained = f"trained on {trained_on}" if loaded.trained else "untrained"
    click.echo(f"licence of the code: Apache-2.0; of the weights: {loaded.terms.licence} ({trained})")
    if is_non_commercial(loaded.terms.licence):
        click.echo("these weights are for non-commercial research use only; train your own before you publish an app")
    sys.exit(0 if report.passed else 1)


def _write_bundles(
    destination: GivenDestination,
    shipped_to: "Sequence[str]",
    cards: "Sequence[ArtifactCard]",
    artifacts: Path,
    contents: "Contents",
) -> list[Path]:
    """Writes every platform's folder and zip; all of them take the places of former ones, or none does."""
    from tinysam2.converters.bundle.archive import write_zip
    from tinysam2.converters.bundle.writer import write_bundle
    from tinysam2.core.files import atomic_paths

    written = [place for platform in shipped_to for place in destination.bundle(platform)]
    with atomic_paths(written) as places:
        for platform, new_folder, new_archive in zip(shipped_to, places[::2], places[1::2], strict=True):
            write_bundle(platform, cards, artifacts, contents, new_folder)
            write_zip(new_folder, platform, new_archive)
    return written
