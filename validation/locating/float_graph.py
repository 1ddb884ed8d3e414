"""The float model operation by operation: each with the layer it belongs to, computed from whatever it is given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node
from torch.fx.node import map_arg

MOVING = {
    "_assert_tensor_metadata", "_to_copy", "_unsafe_view", "alias", "cat", "clone", "contiguous", "expand", "flatten",
    "getitem", "permute", "pixel_shuffle", "repeat", "reshape", "select", "slice", "split", "squeeze", "stack", "t",
    "transpose", "unbind", "unflatten", "unsqueeze", "view",
}  # fmt: skip
"""Operations that move values and change none."""

PRODUCTS = {"conv2d", "linear"}


@dataclass(frozen=True)
class Place:
    """An operation of the float model. layer: the module that it stands in, by its name in the model, which begins with
    the program. operation: its own name in the exported program, `conv2d_3`."""

    layer: str
    operation: str

    def __str__(self) -> str:
        return f"{self.layer} ({self.operation})"


class FloatGraph:
    """One program as `torch.export` gives it, decomposed no further than converters take it.

    input_names: of the contract, in its order. computed: what is computed, in the program's order; variable: what
    depends on an input, inputs among it. outputs: in the contract's order.
    """

    def __init__(self, program: str, exported: ExportedProgram, input_names: tuple[str, ...]) -> None:
        self.program = program
        nodes = list(exported.graph.nodes)
        self._constants: dict[Node, Tensor] = {}
        self.inputs: dict[Node, str] = {}
        placeholders = [node for node in nodes if node.op == "placeholder"]
        names = iter(input_names)
        for node, spec in zip(placeholders, exported.graph_signature.input_specs, strict=True):
            if spec.kind is InputKind.USER_INPUT:
                self.inputs[node] = next(names)
            elif spec.target in exported.constants:
                self._constants[node] = exported.constants[spec.target]
            else:
                self._constants[node] = exported.state_dict[spec.target].detach()
        self.computed = [node for node in nodes if node.op == "call_function"]
        self.variable = set(self.inputs)
        for node in self.computed:
            if self.variable.intersection(node.all_input_nodes):
                self.variable.add(node)
        (last,) = (node for node in nodes if node.op == "output")
        self.outputs: tuple[Node, ...] = tuple(last.args[0])

    @torch.inference_mode()
    def compute(
        self, inputs: Mapping[str, np.ndarray], known: Mapping[Node, Tensor] | None = None
    ) -> Iterator[tuple[Node, dict[Node, Any]]]:
        """Computes node by node from inputs as float32; whoever iterates may replace a value before it is used.

        known: values that are not computed but taken. Gives each computed node, and all values so far by node.
        """
        known = known or {}
        values: dict[Node, Any] = dict(self._constants)
        for node, name in self.inputs.items():
            values[node] = torch.from_numpy(np.asarray(inputs[name], np.float32))
        for node in self.computed:
            if node in known:
                values[node] = known[node]
                continue
            arguments, named = map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = node.target(*arguments, **named)
            yield node, values

    def place(self, node: Node) -> Place:
        """The layer that a node belongs to."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = stack[-1][0] if stack else ""
        # Programs hold the model's module as `module`.
        return Place(self.program + path.removeprefix("module"), node.name)


def moves_only(node: Node) -> bool:
    """Whether a node hands values on as they are."""
    return _kind(node) in MOVING


def is_product(node: Node) -> bool:
    """Whether a node is a layer with a weight."""
    return _kind(node) in PRODUCTS


def _kind(node: Node) -> str:
    packet = getattr(node.target, "overloadpacket", node.target)
    return getattr(packet, "__name__", str(packet))
