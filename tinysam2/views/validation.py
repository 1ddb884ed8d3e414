"""A validation's report as tables on the terminal."""

import click

from tinysam2.core.contract import MEMORY_ENCODER
from tinysam2.core.units import KIB, MIB
from tinysam2.mobile_runtime.memory.accounting import Amount, ModelMemory
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.parity.check import ChainParity, ClipParity
from tinysam2.validation.parity.gates import regresses
from tinysam2.validation.reporting.figures import failed_gates, gate_sentence, layout_line
from tinysam2.validation.reporting.report import Report, TargetReport
from tinysam2.views.console import print_table


def print_report(report: Report) -> None:
    """Prints parity and memory by program, the clips, and every failed gate; verdicts last, where they are seen."""
    for target in report.targets:
        _print_target(target)
    _print_clips(report)
    _print_states(report)
    _print_memory(report)
    weights = report.weights if report.trained else f"untrained weights: {report.weights}"
    click.echo(f"preset {report.preset}, {weights}")
    for failed, gate in failed_gates(report.to_json()):
        found = f"; {gate['found']}" if gate["found"] else ""
        click.echo(f"  failed: {failed['target']} {gate_sentence(gate)} ({gate['reason']}){found}")
    for target in report.targets:
        notes = "" if target.measured else "; growth of memory not measured"
        if target.not_available:
            notes += f"; not available: {', '.join(target.not_available)}"
        verdict = "passed" if target.passed else "FAILED"
        click.echo(f"{verdict}: {target.target} {target.precision} ({target.runtime}{notes})")


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
    click.echo(
        f"  mask IoU {chain.mean_iou:.4f} mean, {chain.min_iou:.4f} least; "
        f"bank {chain.memory_tokens} tokens, {chain.bank_bytes:,} bytes an object"
    )
    [memory_encoder] = [program for program in target.programs if program.program == MEMORY_ENCODER]
    shares = {
        "slots replaced": memory_encoder.same_slots,
        "tokens chosen": memory_encoder.same_tokens,
        "qualities written": memory_encoder.same_levels,
    }
    told = ", ".join(f"{share:.1%} of {what}" for what, share in shares.items() if share is not None)
    click.echo(f"  as the float model: {told}")
    raw = "" if chain.raw_iou is None else f"; mask IoU on raw memory {chain.raw_iou:.4f} least"
    click.echo(f"  memory layout: {layout_line(target.to_json())}{raw}")
    if target.memory:
        _print_programs(target.memory)
    else:
        click.echo("  static memory: not available")


def _print_clips(report: Report) -> None:
    """A line for each clip and target, and their means."""
    rows = []
    for target in report.targets:
        name = f"{target.target} {target.precision}"
        for clip, parity in zip(report.clips, target.chain.clips, strict=True):
            fate = "REGRESSED" if regresses(target.precision, parity) else ""
            what = f"{clip.frames} of {clip.width}x{clip.height}"
            rows.append((clip.name, name, what, str(clip.objects), *_clip_cells(parity), fate))
        if len(report.clips) > 1:
            rows.append((f"mean of {len(report.clips)}", name, "", "", *_clip_cells(target.chain), ""))
    rows.sort(key=lambda row: row[0].startswith("mean of"))
    columns = ("clip", "target", "frames", "objects", "J&F float model", "J&F", "mean IoU", "least IoU", "")
    print_table(columns, rows)


def _clip_cells(parity: ClipParity | ChainParity) -> tuple[str, ...]:
    scores = (f"{100 * score['JF']:.2f}" if score else "" for score in (parity.float_score, parity.score))
    return (*scores, f"{parity.mean_iou:.4f}", f"{parity.min_iou:.4f}")


def _print_states(report: Report) -> None:
    """How often the memory encoder met each state of the bank, and how well."""
    rows = []
    for state, calls in report.states.items():
        found = (target.chain.sqnr_by_state.get(state) for target in report.targets)
        cells = ("" if value is None else f"{value:.1f}" for value in found)
        rows.append((state, f"{calls.calls:,}", str(calls.made or ""), *cells))
    targets = (f"{target.target} {target.precision} dB" for target in report.targets)
    print_table(("state of the bank", "calls", "made", *targets), rows)
    if report.uncovered:
        click.echo(f"  not covered: {', '.join(report.uncovered)}")


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
    models: list[tuple[str, ModelMemory | None, MeasuredMemory | None]] = []
    models.append(("float model", report.float_memory, report.float_measured))
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


def _memory_row(name: str, memory: ModelMemory | None) -> tuple[str, ...]:
    if memory is None:
        return (name, *["-"] * 6, "not available")
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
