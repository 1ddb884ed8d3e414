"""Times by node, as Model Explorer's custom node data.

Model Explorer opens a `.tflite` by itself and a `.pte` with the package pte-adapter-model-explorer; a program is a
graph of the file. Source of the form: node_data_builder.py of github.com/google-ai-edge/model-explorer.
"""

from collections.abc import Sequence

from tinysam2.validation.profiling.operations import ProgramProfile

GRADIENT = ({"stop": 0, "bgColor": "#ffffff"}, {"stop": 1, "bgColor": "#ff6600"})
"""From the cheapest node to the dearest."""

UNDELEGATED = "#b00020"
"""Colour of the label of a node that the delegate does not compute."""


def node_data(profiles: Sequence[ProgramProfile]) -> dict[str, dict]:
    """Milliseconds by graph and node: {program: {"results": {node: {"value": ...}}, "gradient": [...]}}.

    A node that several operations share has their sum. Operations without a node are left out.
    """
    return {profile.program: {"results": _results(profile), "gradient": list(GRADIENT)} for profile in profiles}


def _results(profile: ProgramProfile) -> dict[str, dict]:
    results: dict[str, dict] = {}
    for operation in profile.operations:
        if operation.node is not None:
            result = results.setdefault(operation.node, {"value": 0.0})
            result["value"] = round(result["value"] + operation.time.least, 6)
            if not operation.delegated:
                result["textColor"] = UNDELEGATED
    return results
