"""The report as one HTML page that needs nothing beside it: verdicts, masks, error, drift, memory, environment."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tinysam2.validation.parity.bank_states import BANK_STATES
from tinysam2.validation.reporting import charts
from tinysam2.validation.reporting.figures import (
    failed_gates,
    gate_sentence,
    headline,
    layout_line,
    least_sqnr,
    licence_line,
    subject_line,
    written,
)
from tinysam2.validation.reporting.gallery import Shot
from tinysam2.validation.reporting.memory_view import memory_view

BANK_SHARES = {
    "same_slots": "left the ages of slots and pointers as the float model in {} of the calls",
    "same_tokens": "chose {} of the tokens that the float model chose",
    "same_levels": "wrote {} of the qualities as the float model",
}
"""What is told of the memory encoder's choices: field of the report -> words around it."""


def render_page(report: Mapping, shots: Sequence[Shot] = ()) -> str:
    """The page of a JSON report and its gallery, as HTML.

    Every figure is a `data` element whose `value` is the number in the JSON, and whose `data-json` is the JSON
    pointer (RFC 6901) to it. The page has no script, and forbids itself any request.
    """
    environment = Environment(
        loader=PackageLoader("tinysam2.validation.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "fig": lambda pointer, kind: figure(report, pointer, kind),
        "bar": charts.bar,
        "stacked_bar": charts.stacked_bar,
        "line": charts.line,
        "height": charts.height,
        "picture": _picture,
        "sentence": gate_sentence,
        "written": written,
    }
    return environment.get_template("page.html.j2").render(
        report=report,
        headline=headline(report),
        subject=subject_line(report),
        licence=licence_line(report),
        failed=list(failed_gates(report)),
        targets=[_target_view(index, target) for index, target in enumerate(report["targets"])],
        programs=_program_view(report),
        clips=_clip_view(report),
        drift=_drift_view(report),
        memory=memory_view(report),
        shots=shots,
        patterns=charts.PATTERNS,
        bank_shares=BANK_SHARES,
        bank_states=BANK_STATES,
    )


def figure(report: Mapping, pointer: str, kind: str) -> Markup:
    """The number that a JSON pointer finds in the report, as people read it, with its exact value and where it is."""
    value = resolve(report, pointer)
    return Markup('<data value="{!r}" data-json="{}">{}</data>').format(value, pointer, written(value, kind))


def resolve(report: Mapping, pointer: str) -> float:
    """What a JSON pointer (RFC 6901) finds in the report; the report's own keys need no escapes."""
    value: Any = report
    for key in pointer.split("/")[1:]:
        value = value[int(key)] if isinstance(value, list | tuple) else value[key]
    return value


def _target_view(index: int, target: Mapping) -> dict:
    program, _ = least_sqnr(target)
    return {
        "at": f"/targets/{index}",
        "pattern": charts.PATTERNS[index % len(charts.PATTERNS)],
        "name": target["target"],
        "precision": target["precision"],
        "passed": target["passed"],
        "data": target,
        "layout": layout_line(target),
        "least_program": program,
        "failures": sum(not gate["passed"] for gate in target["gates"]),
        "reasons": list(dict.fromkeys(gate["reason"] for gate in target["gates"])),
    }


def _program_view(report: Mapping) -> dict:
    """SQNR by program, every target's beside the others': rows, and the axis they share."""
    limits = {
        (target["target"], gate["subject"]): gate["limit"]
        for target in report["targets"]
        for gate in target["gates"]
        if gate["measure"] == "SQNR dB"
    }
    rows: dict[str, list[dict]] = {}
    for index, target in enumerate(report["targets"]):
        for place, program in enumerate(target["programs"]):
            name = program["program"]
            rows.setdefault(name, []).append(
                {
                    "target": index,
                    "at": f"/targets/{index}/programs/{place}",
                    "sqnr_db": program["sqnr_db"],
                    "limit": limits.get((target["target"], name)),
                    "tensors": program["tensors"],
                    "shares": [name for name in BANK_SHARES if program[name] is not None],
                }
            )
    values = [row["sqnr_db"] for entries in rows.values() for row in entries]
    end = 20 * (max([*values, *limits.values(), 1]) // 20 + 1)
    return {"rows": rows, "end": end}


def _clip_view(report: Mapping) -> dict:
    """Every clip's line for each target, then their means where there are several; and which states each clip met."""
    groups = [
        {
            "name": clip["name"],
            "at": f"/clips/{index}",
            "clip": clip,
            "rows": [
                {"target": place, "at": f"/targets/{place}/chain/clips/{index}", **target["chain"]["clips"][index]}
                for place, target in enumerate(report["targets"])
            ],
        }
        for index, clip in enumerate(report["clips"])
    ]
    means = [
        {"target": place, "at": f"/targets/{place}/chain", "regressed": False, **target["chain"]}
        for place, target in enumerate(report["targets"])
    ]
    several = len(groups) > 1
    mean = {"name": f"mean of {len(groups)}", "clip": None, "rows": means}
    return {
        "groups": [*groups, mean] if several else groups,
        "by_clip": groups if several else [],
        "scored": any(row["score"] for row in means),
    }


def _drift_view(report: Mapping) -> dict:
    """Mask IoU by frame on each target's worst clip: the axis that all share, their limits and their worst frames."""
    panels = []
    for target in report["targets"]:
        clips = target["chain"]["clips"]
        worst = min(range(len(clips)), key=lambda index: clips[index]["min_iou"])
        ious = clips[worst]["iou_by_frame"]
        limits = [gate["limit"] for gate in target["gates"] if gate["measure"] == "least mask IoU"]
        panels.append(
            {
                "clip": clips[worst]["clip"] if len(clips) > 1 else None,
                "at": f"/chain/clips/{worst}/iou_by_frame",
                "ious": ious,
                "limit": limits[0] if limits else None,
                "worst": min(range(len(ious)), key=ious.__getitem__),
            }
        )
    least = min([*(min(panel["ious"]) for panel in panels), *(p["limit"] for p in panels if p["limit"] is not None)])
    # At least half a percent, so that rounding does not look like a cliff.
    span = next(span for span in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if span >= min(1 - least, 1))
    return {
        "panels": panels,
        "low": 1 - span,
    }


def _picture(image: bytes) -> Markup:
    return Markup("data:image/webp;base64,{}").format(base64.b64encode(image).decode())
