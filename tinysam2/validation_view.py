"""A validation's report as tables on the terminal."""

import click

from tinysam2.console import print_table
from validation.report import Report, TargetReport

KIB = 1024


def print_report(report: Report) -> None:
    """Prints parity and memory by program, the clip, and every failed gate; verdicts last, where they are seen."""
    for target in report.targets:
        _print_target(target)
    weights = report.weights if report.trained else f"untrained weights: {report.weights}"
    click.echo(
        f"{report.clip}: {report.frames} frames of {report.width}x{report.height}, {report.objects} object"
        f"{'s' if report.objects > 1 else ''}; preset {report.preset}, {weights}"
    )
    for target in report.targets:
        failed = [gate for gate in target.gates if not gate.passed]
        for gate in failed:
            wanted = "at least" if gate.at_least else "at most"
            click.echo(
                f"  failed: {target.target} {gate.subject}, {gate.measure}: {gate.value:.4g}, {wanted} {gate.limit:g}"
                f" ({gate.reason})"
            )
        click.echo(f"{'FAILED' if failed else 'passed'}: {target.target} {target.precision} ({target.runtime})")


def _print_target(target: TargetReport) -> None:
    click.echo(f"{target.target} {target.precision}")
    rows = []
    for program in target.programs:
        worst = min(program.tensors, key=lambda tensor: tensor.sqnr_db)
        memory = target.memory[program.program]
        rows.append(
            (
                program.program,
                f"{program.sqnr_db:.1f}",
                f"{min(tensor.cosine for tensor in program.tensors):.6f}",
                f"{max(tensor.max_abs_error for tensor in program.tensors):.2g}",
                worst.name,
                *(f"{bytes_ / KIB:,.1f}" for bytes_ in (memory.artifact, memory.activations, memory.inputs)),
                f"{memory.outputs / KIB:,.1f}",
            )
        )
    activations = next(iter(target.memory.values())).activations_are
    print_table(
        ("program", "SQNR dB", "cosine", "max error", "worst output", "artifact KiB", f"{activations} KiB", "in KiB",
         "out KiB"),
        rows,
    )  # fmt: skip
    chain = target.chain
    shares = [p.same_tokens for p in target.programs if p.same_tokens is not None]
    tokens = f"{shares[0]:.1%} of tokens the float model's; " if shares else ""
    click.echo(
        f"  clip: mask IoU {chain.mean_iou:.4f} mean, {chain.min_iou:.4f} least; {tokens}"
        f"bank {chain.memory_tokens} tokens, {chain.bank_bytes:,} bytes an object\n"
    )
