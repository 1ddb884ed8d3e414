"""Numbers and verdicts in words: one wording for the page, the summary and the test results."""

from collections.abc import Iterator, Mapping

from tinysam2.core.units import KIB, MIB

KINDS = {
    "db": lambda value: f"{value:.1f} dB",
    "iou": lambda value: f"{value:.4f}",
    "cosine": lambda value: f"{value:.6f}",
    "error": lambda value: f"{value:.2g}",
    "share": lambda value: f"{value * 100:.1f} %",
    "score": lambda value: f"{value * 100:.2f} %",
    "points": lambda value: f"{value:.2f}",
    "count": lambda value: f"{value:,}",
    "bytes": lambda value: f"{value / MIB:,.2f} MiB" if abs(value) >= MIB else f"{value / KIB:,.1f} KiB",
    # Enough digits that a value beside its limit never looks equal to it.
    "gate": lambda value: f"{value:.5g}",
}
"""Kind of figure -> how it is written."""


def written(value: float, kind: str) -> str:
    """A figure as people read it; kind: a key of `KINDS`."""
    return KINDS[kind](value)


def gate_sentence(gate: Mapping) -> str:
    """A gate of the JSON report as one sentence, its reason aside: what was measured, and what it is held to."""
    side = "at least" if gate["at_least"] else "at most"
    wanted = "is" if gate["passed"] else "must be"
    value, limit = written(gate["value"], "gate"), written(gate["limit"], "gate")
    return f"{gate['subject']}: {gate['measure']} is {value} and {wanted} {side} {limit}"


def failed_gates(report: Mapping) -> Iterator[tuple[Mapping, Mapping]]:
    """Every failed gate of the JSON report with its target."""
    for target in report["targets"]:
        yield from ((target, gate) for gate in target["gates"] if not gate["passed"])


def headline(report: Mapping) -> str:
    """The verdict of the whole JSON report in a few words."""
    verdicts = [target["passed"] for target in report["targets"]]
    if all(verdicts):
        return "Passed" if len(verdicts) == 1 else f"All {len(verdicts)} targets passed"
    return "Failed" if len(verdicts) == 1 else f"{verdicts.count(False)} of {len(verdicts)} targets failed"


def subject_line(report: Mapping) -> str:
    """What was validated on what, in one line: preset, clips, objects."""
    clips = report["clips"]
    size = f" of {clips[0]['width']}x{clips[0]['height']}" if len(clips) == 1 else ""
    name = clips[0]["name"] if len(clips) == 1 else f"{len(clips)} clips"
    frames, objects = (_counted(sum(clip[f"{what}s"] for clip in clips), what) for what in ("frame", "object"))
    return f"{report['preset']} on {name}: {frames}{size}, {objects}"


def licence_line(report: Mapping) -> str:
    """The terms of the weights, in one line."""
    trained_on = f", trained on {', '.join(report['trained_on'])}" if report["trained_on"] else ""
    return f"Licence of the weights: {report['licence']}{trained_on}."


def states_line(report: Mapping) -> str:
    """How many calls of the memory encoder were in each state of the bank, and which state none was in."""
    met = [
        f"{name} {calls['calls'] + calls['made']:,}" + (f" ({calls['made']} made)" if calls["made"] else "")
        for name, calls in report["states"].items()
        if name not in report["uncovered"]
    ]
    uncovered = f"; not covered: {', '.join(report['uncovered'])}" if report["uncovered"] else ""
    return f"{', '.join(met)}{uncovered}"


def layout_line(target: Mapping) -> str:
    """Whether a target's inputs and outputs are contiguous in memory, and which are not."""
    if target["layouts"] is None:
        return "not available"
    tensors = [
        (f"{program} {tensor['name']}", tensor["contiguous"])
        for program, layout in target["layouts"].items()
        for tensor in (*layout["inputs"], *layout["outputs"])
    ]
    wrong = [name for name, contiguous in tensors if not contiguous]
    if not wrong:
        return f"all {len(tensors)} tensors contiguous"
    return f"{len(wrong)} of {len(tensors)} tensors not contiguous: {', '.join(wrong)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def least_sqnr(target: Mapping) -> tuple[int, Mapping]:
    """Index and entry of the program with the least SQNR."""
    return min(enumerate(target["programs"]), key=lambda entry: entry[1]["sqnr_db"])
