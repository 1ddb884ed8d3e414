"""The findings as tables in Markdown."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.faults.measuring import VISIBLE_IOU, Finding
from tinysam2.validation.integers.checks import CHECKS

SHORT = {
    "image_encoder SQNR": "SQNR IE",
    "memory_attention SQNR": "SQNR MA",
    "mask_decoder SQNR": "SQNR MD",
    "memory_encoder SQNR": "SQNR ME",
    "same tokens": "tokens",
    "same slots": "slots",
    "same levels": "levels",
    "mean mask IoU": "mean IoU",
    "least mask IoU": "least IoU",
    "least mask IoU on raw memory": "raw memory",
    "tensors not contiguous": "layout",
    "share without regression": "clips",
    **{f"faults of {check.name}": f"integers: {check.name}" for check in CHECKS},
}


def markdown(findings: Sequence[Finding]) -> str:
    """A row for each fault, mean mask IoU by artifact, and what catches it; then those that got through."""
    artifacts = list(dict.fromkeys(finding.artifact for finding in findings))
    lines = [
        _row(("fault", *artifacts, "caught by")),
        _row(("---", *("--:" for _ in artifacts), "---")),
        *(_row(cells) for cells in _faults(findings, artifacts)),
    ]
    through = [finding for finding in findings if finding.verdict == "passed" and finding.of]
    if through:
        lines += ["", _row(("through the gates", "artifact", "mean IoU", "least IoU", "points of J&F lost", "SQNR dB"))]
        lines += [_row(("---", "---", "--:", "--:", "--:", "--:")), *map(_row, map(_passed, through))]
    return "\n".join(lines) + "\n"


def _faults(findings: Sequence[Finding], artifacts: list[str]) -> Iterator[tuple[str, ...]]:
    for name in dict.fromkeys(finding.fault for finding in findings):
        of = {finding.artifact: finding for finding in findings if finding.fault == name}
        what = next(iter(of.values())).what
        yield what, *(_effect(of.get(artifact)) for artifact in artifacts), _caught(of.values())


def _effect(finding: Finding | None) -> str:
    if finding is None:
        return "-"
    if finding.verdict == "refused":
        return "refused"
    effect = f"{finding.mean_iou:.4f}"
    if finding.verdict == "passed":
        effect += " passes" if finding.of else ""
    return f"**{effect}**" if finding.visible else effect


def _caught(findings: Iterable[Finding]) -> str:
    """The gates that failed in every artifact that was not refused and did not pass, then, in parentheses, those that
    failed in some."""
    failed = [[SHORT.get(gate, gate) for gate in finding.caught_by] for finding in findings if finding.caught_by]
    everywhere = [gate for gate in SHORT.values() if failed and all(gate in of_one for of_one in failed)]
    somewhere = [gate for gate in SHORT.values() if any(gate in of_one for of_one in failed) and gate not in everywhere]
    words = ", ".join(everywhere)
    return f"{words} ({', '.join(somewhere)})".strip() if somewhere else words or "-"


def _passed(finding: Finding) -> tuple[str, ...]:
    return (
        finding.what,
        finding.artifact,
        f"{finding.mean_iou:.4f}",
        f"{finding.min_iou:.4f}",
        f"{finding.points_lost:.2f}",
        f"{finding.sqnr_db:.1f} ({finding.program})",
    )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


LEGEND = (
    f"Figures are mean mask IoU with the float model's masks; bold: below {VISIBLE_IOU}, visible. "
    "IE, MA, MD, ME: image encoder, memory attention, mask decoder, memory encoder. In parentheses: in some artifacts."
)
