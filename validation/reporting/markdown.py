"""The report as Markdown, short enough for a pull request."""

import re
from collections.abc import Iterator, Mapping, Sequence

from tinysam2.validation.reporting.figures import (
    failed_gates,
    gate_sentence,
    headline,
    layout_line,
    least_sqnr,
    licence_line,
    states_line,
    subject_line,
    written,
)

COLUMNS = ("target", "verdict", "least SQNR", "mean IoU", "least IoU", "bank an object", "memory in all", "growth")


def render_markdown(report: Mapping) -> str:
    """The verdicts, tables with a line for each target and each clip, and every failed gate, from the JSON report."""
    lines = [f"## {headline(report)}", "", _escaped(subject_line(report)), "", _escaped(licence_line(report)), ""]
    if not report["trained"]:
        lines += ["Untrained weights: the agreement is real, the masks mean nothing.", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    lines += [_row(target) for target in report["targets"]]
    layouts = "; ".join(f"{target['target']} {layout_line(target)}" for target in report["targets"])
    lines += ["", *_clips(report), "", f"Memory layout: {_escaped(layouts)}."]
    lines += ["", f"Memory bank, calls by state: {_escaped(states_line(report))}."]
    failed = list(failed_gates(report))
    if failed:
        lines += ["", "### What failed", ""]
        lines += [_failure(target, gate) for target, gate in failed]
    return "\n".join(lines) + "\n"


def _row(target: Mapping) -> str:
    _, worst = least_sqnr(target)
    chain = target["chain"]
    cells = (
        f"{target['target']} {target['precision']}",
        "passed" if target["passed"] else "**FAILED**",
        f"{written(worst['sqnr_db'], 'db')} ({worst['program']})",
        written(chain["mean_iou"], "iou"),
        written(chain["min_iou"], "iou"),
        written(chain["bank_bytes"], "bytes"),
        written(target["memory"]["total"]["bytes"], "bytes") if target["memory"] else "not available",
        written(target["measured"]["growth"], "bytes") if target["measured"] else "not measured",
    )
    return "| " + " | ".join(cell if cell.startswith("**") else _escaped(cell) for cell in cells) + " |"


def _clips(report: Mapping) -> Iterator[str]:
    """A table with a line a clip: J&F of the float model and of each target, or mask IoU where none is scored."""
    targets = report["targets"]
    chains = [target["chain"] for target in targets]
    names = (f"{target['target']} {target['precision']}" for target in targets)
    yield "| " + " | ".join(("clip", "float model J&F", *map(_escaped, names))) + " |"
    yield "|---|" + "--:|" * (1 + len(targets))
    for index, clip in enumerate(report["clips"]):
        yield _clip_row(clip["name"], [chain["clips"][index] for chain in chains])
    if len(report["clips"]) > 1:
        yield _clip_row(f"mean of {len(report['clips'])}", chains)


def _clip_row(name: str, parities: Sequence[Mapping]) -> str:
    known = parities[0]["float_score"]
    cells = []
    for parity in parities:
        cell = written(parity["score"]["JF"], "score") if known else f"IoU {written(parity['mean_iou'], 'iou')}"
        cells.append(f"**{cell}, regressed**" if parity.get("regressed") else cell)
    return f"| {_escaped(name)} | {written(known['JF'], 'score') if known else 'not scored'} | {' | '.join(cells)} |"


def _failure(target: Mapping, gate: Mapping) -> str:
    found = f"; {_escaped(gate['found'])}" if gate["found"] else ""
    return f"- **{_escaped(target['target'])}**, {_escaped(gate_sentence(gate))} ({_escaped(gate['reason'])}){found}"


def _escaped(text: str) -> str:
    """Text that stands for itself: a clip may be called anything."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&@])", r"\\\1", " ".join(text.split()))
