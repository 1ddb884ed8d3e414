"""A validation's report as tables on the terminal."""

import click

from mobile_runtime.memory import Amount, ModelMemory
from tinysam2.console import print_table
from validation.gates import MIB, Gate
from validation.memory_measured import MeasuredMemory
from validation.report import Report, TargetReport

KIB = 1024


def print_report(report: Report) -> None:
    """Prints parity and memory by program, the clip, and every failed gate; verdicts last, where they are seen."""
    for target in report.targets:
        _print_target(target)
    _print_memory(report)
    weights = report.weights if report.trained else f"untrained weights: {report.weights}"
    click.echo(
        f"{report.clip}: {report.frames} frames of {report.width}x{report.height}, {report.objects} object"
        f"{'s' if report.objects > 1 else ''}; preset {report.preset}, {weights}"
    )
    for target in report.targets:
        failed = [gate for gate in target.gates if not gate.passed]
        for gate in failed:
            click.echo(f"  failed: {target.target} {_sentence(gate)}")
        unmeasured = "" if target.measured else "; growth of memory not measured"
        click.echo(
            f"{'FAILED' if failed else 'passed'}: {target.target} {target.precision} ({target.runtime}{unmeasured})"
        )


def _sentence(gate: Gate) -> str:
    wanted = "at least" if gate.at_least else "at most"
    found = f"; {gate.found}" if gate.found else ""
    return f"{gate.subject}, {gate.measure}: {gate.value:.4g}, {wanted} {gate.limit:g} ({gate.reason}){found}"


def _print_target(target: TargetReport) -> None:
    click.echo(f"{target.target} {target.precision}")
    rows = []
    for program in target.programs:
        worst = min(program.tensors, key=lambda tensor: tensor.sqnr_db)
        rows.append(
            (
                program.program,
                f"{program.sqnr_db:.1f}",
                f"{min(tensor.cosine for tensor in program.tensors):.6f}",
                f"{max(tensor.max_abs_error for tensor in program.tensors):.2g}",
                worst.name,
            )
        )
    print_table(("program", "SQNR dB", "cosine", "max error", "worst output"), rows)
    chain = target.chain
    shares = [p.same_tokens for p in target.programs if p.same_tokens is not None]
    tokens = f"{shares[0]:.1%} of tokens the float model's; " if shares else ""
    click.echo(
        f"  clip: mask IoU {chain.mean_iou:.4f} mean, {chain.min_iou:.4f} least; {tokens}"
        f"bank {chain.memory_tokens} tokens, {chain.bank_bytes:,} bytes an object"
    )
    _print_programs(target.memory)


def _print_programs(memory: ModelMemory) -> None:
    rows = [
        (
            name,
            *(f"{part.bytes / KIB:,.1f}" for part in (taken.weights, taken.activations, taken.inputs, taken.outputs)),
            f"{taken.activations.tensors[0].name} in {taken.activations.operation}",
        )
        for name, taken in memory.programs.items()
    ]
    activations = f"{memory.activations.known} KiB"
    print_table(("memory", "weights KiB", activations, "in KiB", "out KiB", "largest tensor at the peak"), rows)


def _print_memory(report: Report) -> None:
    """The float model, every target and the budget, side by side; then what their processes took."""
    models = [("float model", report.float_memory, report.float_measured)]
    models += [(target.target, target.memory, target.measured) for target in report.targets]
    budget = report.budget
    limits = (budget.weights, budget.activations, None, None, budget.bank, budget.total)
    rows = [_memory_row(name, memory) for name, memory, _ in models]
    rows.append(("budget", *(f"{limit.mib:g}" if limit else "" for limit in limits), ""))
    print_table(
        ("MiB", "weights", "largest program", "activations in all", "features", "bank", "total", "activations are"),
        rows,
    )
    if any(measured for _, _, measured in models):
        print_table(
            ("measured MiB, this computer's", "runtime alone", "model loaded", "peak in a frame", "growth, 300 frames"),
            [
                *((name, *_measured_cells(measured)) for name, _, measured in models),
                ("budget", "", "", "", f"{budget.growth_over_300_frames.mib:g}"),
            ],
        )


def _memory_row(name: str, memory: ModelMemory) -> tuple[str, ...]:
    largest = max((program.activations for program in memory.programs.values()), key=lambda peak: peak.bytes)
    parts = (memory.weights, largest, memory.activations, memory.features, memory.bank, memory.total)
    return (name, *map(_mib, parts), memory.activations.known)


def _measured_cells(measured: MeasuredMemory | None) -> tuple[str, ...]:
    """Of the model, what its process held beyond the runtime alone."""
    if measured is None:
        return ("not measured", "", "", "")
    alone = measured.before_load
    values = (alone, measured.loaded - alone, measured.peak - alone, measured.growth)
    return tuple(f"{value / MIB:.2f}" for value in values)


def _mib(amount: Amount) -> str:
    return f"{amount.bytes / MIB:.2f}" if amount.bytes >= 0.1 * MIB else f"{amount.bytes / MIB:.3f}"
