"""`tinysam2 ship`: from weights to checked bundles, in one command."""

import sys
import tempfile
from pathlib import Path

import click

from tinysam2.core.targets import INT8, TARGETS
from tinysam2.inputs.options import (
    FILE_OR_FOLDER,
    GivenMemoryCheck,
    GivenModel,
    frames_option,
    memory_options,
    model_weights_options,
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
@memory_options(measured=True)
@click.option(
    "--output",
    type=FILE_OR_FOLDER,
    default="dist",
    metavar="DIR",
    show_default=True,
    help="Folder for the bundles; a former one is replaced whole.",
)
@click.option("--keep-failed", is_flag=True, help="Write bundles that failed too; their manifests say so.")
def command(
    given: GivenModel,
    floats: bool,
    frames: int | None,
    memory: GivenMemoryCheck,
    output: Path,
    keep_failed: bool,
) -> None:
    """Convert the model for every target, validate the artifacts on the embedded clip, and bundle what passed.

    In int8, where the weights are: a checkpoint of `tinysam2 quantize`, or those that come with the preset. Memory is
    held to a budget, and must not grow with the video.

    Writes DIR/ios and DIR/android, each with its artifacts, a manifest and the report, also as a page. Nothing is
    written when a gate fails, unless --keep-failed. Exit status: 0 passed, 1 a gate failed, 2 bad input.

    \b
    Example:
      tinysam2 ship
      tinysam2 ship --float
      tinysam2 ship --preset nano --checkpoint mine.safetensors --output dist
      tinysam2 ship --budget budget.json
    """
    targets = [target for target in TARGETS.values() if target.shipped_for]
    for target in targets:
        target.require_installed()

    from tinysam2.core.files import atomic_path, check_output_folder
    from tinysam2.validation.memory.budget import read_budget
    from tinysam2.views.console import shown_steps
    from tinysam2.views.validation import print_report

    limits = read_budget(memory.budget, given.preset.name)
    check_output_folder(output, former_output="ios/manifest.json")
    with shown_steps() as steps, tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        steps.begin("loading the model and the toolchains")
        from tinysam2.converters import convert
        from tinysam2.converters.bundle.platforms import platforms
        from tinysam2.converters.bundle.writer import Contents, write_bundle
        from tinysam2.models.weights.checkpoint import load_model, shipped_weights
        from tinysam2.validation.golden.recording import record_artifacts
        from tinysam2.validation.parity.scenes import sample_scene
        from tinysam2.validation.reporting.gallery import Gallery
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
        cards = convert.convert_model(loaded, precisions, artifacts, steps.begin)
        gallery = Gallery()
        report = validate_artifacts(
            loaded,
            artifacts,
            [sample_scene(frames)],
            steps.counted,
            limits,
            (lambda: measure_memory(loaded, artifacts, steps.counter)) if memory.measure else dict,
            gallery,
        )
        shipped = report.passed or keep_failed
        shipped_to = [name for name in platforms() if any(name in card.target_entry.shipped_for for card in cards)]
        if shipped:
            steps.begin("writing the bundles")
            contents = Contents(report.to_json(), render_page(report.to_json(), gallery.shots()), record_artifacts)
            with atomic_path(output) as bundles:
                for platform in shipped_to:
                    write_bundle(platform, cards, artifacts, contents, bundles / platform)
    print_report(report)
    if left_out:
        click.echo(f"left out, not available in {INT8}: {', '.join(left_out)}")
    if shipped:
        for platform in shipped_to:
            click.echo(f"{platform}: {output / platform}")
    else:
        click.echo("no bundle was written; --keep-failed writes them all the same")
    sys.exit(0 if report.passed else 1)
