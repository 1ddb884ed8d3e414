"""The report as JUnit XML: a test suite a target, a test case a gate, so that CI shows what failed and why."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from tinysam2.validation.reporting.figures import (
    gate_sentence,
    headline,
    layout_line,
    states_line,
    subject_line,
    written,
)


def render_junit(report: Mapping) -> str:
    """The JSON report's gates as JUnit XML, in the form that Jenkins, GitLab and GitHub's test reporters read."""
    gates = [gate for target in report["targets"] for gate in target["gates"]]
    suites = ElementTree.Element("testsuites", {"name": _plain(subject_line(report)), **_counts(gates)})
    for target in report["targets"]:
        name = f"{target['target']} {target['precision']}"
        suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **_counts(target["gates"])})
        properties = ElementTree.SubElement(suite, "properties")
        for key, value in _properties(report, target).items():
            ElementTree.SubElement(properties, "property", name=_plain(key), value=_plain(value))
        for gate in target["gates"]:
            _add_case(suite, target, gate)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, target: Mapping, gate: Mapping) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{target['target']}.{_plain(gate['subject'])}",
        name=_plain(f"{gate['subject']}: {gate['measure']}"),
        time="0",
    )
    if not gate["passed"]:
        failure = ElementTree.SubElement(case, "failure", type="gate", message=_plain(gate_sentence(gate)))
        failure.text = _plain("\n".join(filter(None, (gate["reason"], gate["found"]))))


def _counts(gates: list[Mapping]) -> dict[str, str]:
    failures = sum(not gate["passed"] for gate in gates)
    return {"tests": str(len(gates)), "failures": str(failures), "errors": "0", "skipped": "0", "time": "0"}


def _properties(report: Mapping, target: Mapping) -> dict[str, str]:
    weights = report["weights"] if report["trained"] else f"untrained: {report['weights']}"
    return {
        "verdict": headline(report),
        "preset": report["preset"],
        "weights": weights,
        "runtime": target["runtime"],
        "memory layout": layout_line(target),
        "states of the memory bank": states_line(report),
        **{f"clip {clip['clip']}": _clip(clip) for clip in target["chain"]["clips"]},
    }


def _clip(clip: Mapping) -> str:
    figures = f"mask IoU {written(clip['mean_iou'], 'iou')} mean, {written(clip['min_iou'], 'iou')} least"
    if clip["score"] and clip["float_score"]:
        ours, floats = (written(clip[name]["JF"], "score") for name in ("score", "float_score"))
        figures = f"J&F {ours}, float model {floats}; {figures}"
    return f"regressed: {figures}" if clip["regressed"] else figures


def _plain(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold; a file's name may have them."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
