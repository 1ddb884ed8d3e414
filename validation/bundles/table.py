"""A verification's gates side by side: what was found here, and on a device where its results were read."""

from collections.abc import Mapping
from dataclasses import dataclass

NOT_MEASURED = "-"


@dataclass(frozen=True)
class GateRow:
    """One gate: its limit, and value and verdict here and on the device; None where it was not measured there."""

    subject: str
    measure: str
    limit: str
    here: tuple[str, bool] | None
    device: tuple[str, bool] | None


def gate_rows(verification: Mapping, target: str) -> list[GateRow]:
    """A row for each gate of a target; verification: the JSON report."""
    here = _by_name(next(entry["gates"] for entry in verification["targets"] if entry["target"] == target))
    told = verification["device"]
    device = _by_name(told["gates"]) if told and told["target"] == target else {}
    return [
        GateRow(*name, _limit(gate), *(_cell(side.get(name)) for side in (here, device)))
        for name, gate in {**device, **here}.items()
    ]


def summary(verification: Mapping) -> str:
    """The verdict in a sentence."""
    targets = verification["targets"]
    checked = [entry["target"] for entry in targets if not entry["not_checked"]]
    if verification["passed"]:
        return f"passed: {verification['bundle']} ({', '.join(checked)})"
    if all(gate["passed"] for gate in verification["gates"]) and not checked:
        return f"FAILED: {verification['bundle']}: no target's runtime is installed, so nothing was replayed"
    return f"FAILED: {verification['bundle']}"


def failures(verification: Mapping) -> list[tuple[str, Mapping]]:
    """Every failed gate, with whose it is."""
    groups = [("bundle", verification["gates"])]
    groups += [(entry["target"], entry["gates"]) for entry in verification["targets"]]
    if device := verification["device"]:
        groups.append((f"{device['target']} on {device['device']['model']}", device["gates"]))
    return [(owner, gate) for owner, gates in groups for gate in gates if not gate["passed"]]


def figure(value: float) -> str:
    """A gate's value or limit as people read it."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def device_name(device: Mapping) -> str:
    """A device in a line."""
    about = device["device"]
    return f"{about['model']}, {about['os']}, runtime {about['runtime_version']}"


def _by_name(gates: list[Mapping]) -> dict[tuple[str, str], Mapping]:
    return {(gate["subject"], gate["measure"]): gate for gate in gates}


def _limit(gate: Mapping) -> str:
    return f"{'at least' if gate['at_least'] else 'at most'} {figure(gate['limit'])}"


def _cell(gate: Mapping | None) -> tuple[str, bool] | None:
    return (figure(gate["value"]), gate["passed"]) if gate else None
