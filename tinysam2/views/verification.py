"""A bundle's verification as tables on the terminal."""

from collections.abc import Mapping

import click

from tinysam2.core.units import MIB
from tinysam2.validation.bundles.table import NOT_MEASURED, device_name, failures, figure, gate_rows, summary
from tinysam2.views.console import print_table


def print_verification(verification: Mapping) -> None:
    """Prints each target's gates, here and on the device, and every failure; the verdict last. It is the JSON report's
    content."""
    device = verification["device"]
    for entry in verification["targets"]:
        click.echo(f"{entry['target']} {entry['precision']}")
        if entry["not_checked"]:
            click.echo(f"  not checked: {entry['not_checked']}")
        on_device = bool(device) and device["target"] == entry["target"]
        rows = [
            (row.subject, row.measure, row.limit, _cell(row.here), *([_cell(row.device)] if on_device else []))
            for row in gate_rows(verification, entry["target"])
        ]
        if rows:
            print_table(("gate", "measure", "limit", "here", *(["device"] if on_device else [])), rows)
    if device:
        _print_device(device)
    for owner, gate in failures(verification):
        found = f"; {gate['found']}" if gate["found"] else ""
        relation = "below" if gate["at_least"] else "above"
        click.echo(
            f"  failed: {owner}: {gate['subject']} {gate['measure']} {figure(gate['value'])} is {relation} "
            f"{figure(gate['limit'])} ({gate['reason']}){found}"
        )
    click.echo(summary(verification))


def _print_device(device: Mapping) -> None:
    click.echo(f"device: {device_name(device)}")
    rows = [(name, f"{t['median']:.2f}", f"{t['p90']:.2f}") for name, t in device["latency_ms"].items()]
    if rows:
        print_table(("latency ms, the device's", "median", "90 %"), rows)
    peak = device["peak_memory_bytes"]
    click.echo(f"  peak memory: {'not measured' if peak is None else f'{peak / MIB:.1f} MiB'}")


def _cell(side: tuple[str, bool] | None) -> str:
    if side is None:
        return NOT_MEASURED
    value, passed = side
    return value if passed else f"{value} FAILED"
