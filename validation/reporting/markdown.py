"""The report as Markdown, short enough for a pull request."""

import re
from collections.abc import Mapping

from validation.reporting.figures import failed_gates, gate_sentence, headline, least_sqnr, subject_line, written

COLUMNS = ("target", "verdict", "least SQNR", "mean IoU", "least IoU", "bank an object", "memory in all", "growth")


def render_markdown(report: Mapping) -> str:
    """The verdicts, a table with one line a target, and every failed gate, from the JSON report."""
    lines = [f"## {headline(report)}", "", _escaped(subject_line(report)), ""]
    if not report["trained"]:
        lines += ["Untrained weights: the agreement is real, the masks mean nothing.", ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    lines += [_row(target) for target in report["targets"]]
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
        written(target["memory"]["total"]["bytes"], "bytes"),
        written(target["measured"]["growth"], "bytes") if target["measured"] else "not measured",
    )
    return "| " + " | ".join(cell if cell.startswith("**") else _escaped(cell) for cell in cells) + " |"


def _failure(target: Mapping, gate: Mapping) -> str:
    found = f"; {_escaped(gate['found'])}" if gate["found"] else ""
    return f"- **{_escaped(target['target'])}**, {_escaped(gate_sentence(gate))} ({_escaped(gate['reason'])}){found}"


def _escaped(text: str) -> str:
    """Text that stands for itself: a clip may be called anything."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&@])", r"\\\1", " ".join(text.split()))
