"""`tinysam2 import-weights`: weights of SAM 2.1, EdgeTAM or RepViT as a checkpoint of ours."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.config import ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.inputs.options import FILE_OR_FOLDER, json_option, preset_option

if TYPE_CHECKING:
    from tinysam2.models.weights.importing import ImportReport

SUFFIX = ".safetensors"

PUBLISHED = "tinysam2"
"""The preset whose widths are those of the published weights."""


@click.command(short_help="Turn SAM 2.1, EdgeTAM or RepViT weights into a checkpoint.")
@click.argument("source", type=FILE_OR_FOLDER)
@preset_option(default=PUBLISHED)
@click.option(
    "--output",
    type=FILE_OR_FOLDER,
    metavar="FILE.safetensors",
    required=True,
    help="The checkpoint to write; a former one is replaced.",
)
@json_option
def command(source: Path, preset: ModelConfig, output: Path, as_json: bool) -> None:
    """Import the weights in SOURCE, and say by module what was loaded, what was not, and what was left over.

    SOURCE is a SAM 2.1 checkpoint (.pt of the original repository, or Hugging Face's .safetensors), EdgeTAM's
    edgetam.pt, or a state dict of timm's RepViT; its kind is told by its names. Tensors without a source keep
    the seeded values of the preset.

    \b
    Example:
      tinysam2 import-weights edgetam.pt --output edgetam.safetensors
      tinysam2 convert coreml --preset tinysam2 --checkpoint edgetam.safetensors
    """
    if output.suffix != SUFFIX:
        raise InputError(f"the output {output} is not named as a {SUFFIX} file; name one")

    from tinysam2.core.files import check_output_file
    from tinysam2.inputs.destinations import check_apart
    from tinysam2.views.console import print_table, shown_steps

    check_output_file(output)
    check_apart(output, (source,))
    with shown_steps() as steps:
        steps.begin("reading the weights")
        from tinysam2.models.weights.checkpoint import save_checkpoint
        from tinysam2.models.weights.importing import ImportReport, import_weights

        imported = import_weights(source, preset)
        steps.begin("writing the checkpoint")
        report = imported.report
        origin = {"source": source.name, "kind": report.kind, "preset": preset.name, **report.terms.metadata()}
        save_checkpoint(imported.state, output, origin)

    if as_json:
        click.echo(json.dumps(_summary(report, output), indent=2))
        return
    rows = [
        (part, what, f"{tensors:,}", f"{parameters:,}", why) for part, what, tensors, parameters, why in report.rows()
    ]
    print_table(ImportReport.COLUMNS, rows)
    click.echo(f"{output}: preset {preset.name} from {report.kind} ({source}), licence {report.terms.licence}")


def _summary(report: "ImportReport", output: Path) -> dict[str, object]:
    return {
        **asdict(report),
        "source": str(report.source),
        "output": str(output),
    }
