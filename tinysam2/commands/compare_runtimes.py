"""`tinysam2 compare-runtimes`: Apple's Core ML runtime held against the MIL interpreter, on a Mac."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from tinysam2.inputs.options import FILE_OR_FOLDER, frames_option, json_option


@click.command(short_help="On a Mac: check Apple's Core ML runtime against the interpreter.")
@click.argument("artifacts", type=FILE_OR_FOLDER)
@frames_option
@json_option
def command(artifacts: Path, frames: int | None, as_json: bool) -> None:
    """Run the Core ML packages in the folder ARTIFACTS by Apple's runtime and by the MIL interpreter on the embedded
    clip, and hold the first to the second by the limits of `tinysam2 validate`.

    Exit status: 0 passed, 1 a gate failed, 2 bad input, and on any system but macOS.

    \b
    Example:
      tinysam2 compare-runtimes artifacts
      tinysam2 compare-runtimes artifacts --frames 10 --json
    """
    from tinysam2.core.artifacts import read_card
    from tinysam2.core.targets import TARGETS

    card = read_card(artifacts, TARGETS["coreml"])
    card.target_entry.require_installed()

    from tinysam2.validation.parity.coreml_runtimes import compare_runtimes
    from tinysam2.validation.parity.gates import parity_gates
    from tinysam2.validation.parity.scenes import sample_scene
    from tinysam2.views.console import print_table

    compared = compare_runtimes(artifacts, sample_scene(frames))
    gates = list(parity_gates(card.precision, compared.programs, compared.chain))
    passed = all(gate.passed for gate in gates)
    if as_json:
        rows = [{**asdict(gate), "passed": gate.passed} for gate in gates]
        click.echo(json.dumps({**asdict(compared), "gates": rows, "passed": passed}, indent=2))
    else:
        verdicts = {True: "passed", False: "FAILED"}
        print_table(
            ("subject", "measure", "value", "limit", ""),
            [(g.subject, g.measure, f"{g.value:.4g}", f"{g.limit:.4g}", verdicts[g.passed]) for g in gates],
        )
        click.echo(f"{verdicts[passed]}: Apple's runtime against the MIL interpreter, {card.precision}")
    sys.exit(0 if passed else 1)
