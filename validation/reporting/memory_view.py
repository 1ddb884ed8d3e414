"""What the page shows of memory: stacked bars against the budget, the figures by program, and what was measured."""

from collections.abc import Iterator, Mapping

from tinysam2.core.units import MIB

PARTS = {"weights": "solid", "activations": "hatch", "features": "rows", "bank": "dots"}
"""Parts of a model's memory in the order of the stack, and their fills."""


def memory_view(report: Mapping) -> dict:
    """The models, float model first, as stacks; their programs, every model's beside the others'; and the
    names of those whose memory is not available."""
    every = list(_models(report))
    models = [model for model in every if model["memory"]]
    rows: dict[str, list[dict]] = {}
    for model in models:
        for name, program in model["memory"]["programs"].items():
            row = {"model": model["name"], "at": f"{model['at']}/programs/{name}", **program}
            rows.setdefault(name, []).append(row)
    limits = {name: limit["mib"] * MIB for name, limit in report["budget"].items()}
    return {
        "parts": PARTS,
        "models": models,
        "not_available": [model["name"] for model in every if not model["memory"]],
        "programs": rows,
        "limits": limits,
        "end": _axis([*(model["memory"]["total"]["bytes"] for model in models), limits["total"]]),
        "activations_end": _axis(
            [*(row["activations"]["bytes"] for entries in rows.values() for row in entries), limits["activations"]]
        ),
        "measured": [model for model in every if model["measured"]],
    }


def _models(report: Mapping) -> Iterator[dict]:
    sources = [("float model", "", "float_memory", "float_measured", report)]
    sources += [
        (target["target"], f"/targets/{index}", "memory", "measured", target)
        for index, target in enumerate(report["targets"])
    ]
    for name, at, memory, measured, source in sources:
        yield {
            "name": name,
            "at": f"{at}/{memory}",
            "memory": source[memory],
            "measured_at": f"{at}/{measured}",
            "measured": source[measured],
        }


def _axis(values: list[float]) -> float:
    """The end of an axis that a limit at its largest value is still seen on."""
    return max(values) * 1.02
