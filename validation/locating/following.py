"""Follows an artifact through the float model: each layer is computed from the artifact's own values before it.

So an error does not travel: what a layer adds by itself is all that shows there, however wrong its inputs were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from tinysam2.scoring.metrics import sqnr_db
from tinysam2.validation.locating.float_graph import FloatGraph, is_product, moves_only
from tinysam2.validation.locating.intermediates import Values
from tinysam2.validation.locating.value_matching import ComputedValues, Match

TRIES = 6
"""Values that are tried for an operation before the next one is suspected."""

MOST_FAULTS = 8


@dataclass(frozen=True, eq=False)
class FaultyOperation:
    """An operation whose value in the artifact is not what it should make of the artifact's own inputs to it.

    local_sqnr_db: the SQNR of its value against that. value: None where the artifact shows no value that explains what
    follows: then the fault lies here or in what follows.
    """

    node: Node
    local_sqnr_db: float
    value: Tensor | None


@dataclass(frozen=True, eq=False)
class Followed:
    """values: the artifact's, of each operation that it shows, in the float model's layout. local_sqnr_db: by
    operation, their SQNR against what the layer makes of the artifact's own values. faults: in the program's order."""

    values: Mapping[Node, Tensor]
    local_sqnr_db: Mapping[Node, float]
    faults: Sequence[FaultyOperation]


def follow(
    graph: FloatGraph,
    inputs: Mapping[str, np.ndarray],
    values: Values,
    limit_db: float,
    units: Mapping[Node, float] = MappingProxyType({}),
) -> Followed:
    """Finds every operation's value in an artifact's, and the operations that are wrong.

    inputs: as the artifact took them. limit_db: the least SQNR that an unmodified operation of this precision reaches.
    units: of outputs that may be near 0 without being small, as `sqnr_db` takes them.
    """
    return _Following(graph, inputs, values, limit_db, units).followed()


class _Following:
    def __init__(
        self,
        graph: FloatGraph,
        inputs: Mapping[str, np.ndarray],
        values: Values,
        limit_db: float,
        units: Mapping[Node, float],
    ) -> None:
        self.graph, self.inputs, self.limit_db, self.units = graph, inputs, limit_db, units
        self.computed = ComputedValues(values.computed)
        self.outputs = {
            node: torch.from_numpy(np.asarray(value, np.float32))
            for node, value in zip(graph.outputs, values.outputs, strict=True)
        }
        self.matches: dict[Node, Match] = {}
        self.faults: list[FaultyOperation] = []

    def followed(self) -> Followed:
        expected = self._pass(self.matches, {})
        while len(self.faults) < MOST_FAULTS and (failing := self._failing(expected)):
            fault = self._fault(failing, expected)
            self.faults.append(fault)
            if fault.value is None:
                break
            expected = self._pass(self.matches, self._adopted())
        self._add_faults_without_effect(expected)
        order = {node: number for number, node in enumerate(self.graph.computed)}
        self.faults.sort(key=lambda fault: order[fault.node])
        shown = {node: match.value for node, match in self.matches.items()} | self._adopted()
        own = {node: match.sqnr_db for node, match in self.matches.items()}
        own |= {fault.node: fault.local_sqnr_db for fault in self.faults if fault.value is not None}
        for node, value in self.outputs.items():
            shown.setdefault(node, value)
            own.setdefault(node, self._output_db(node, expected[node]))
        return Followed(shown, own, self.faults)

    def _adopted(self) -> dict[Node, Tensor]:
        return {fault.node: fault.value for fault in self.faults if fault.value is not None}

    def _pass(self, matches: dict[Node, Match], adopted: Mapping[Node, Tensor]) -> dict[Node, Tensor]:
        """Computes all operations, puts the artifact's value in place of each that is near, and notes which were.

        Returns what each operation came to: where the artifact shows no such value, the float model's.
        """
        known = {node: match.value for node, match in matches.items()} | dict(adopted)
        values: dict[Node, object] = {}
        for node, values in self.graph.compute(self.inputs, known):
            result = values[node]
            if not isinstance(result, Tensor) or not result.is_floating_point() or not result.numel():
                continue
            match = self._output(node, result) or self.computed.nearest(result, self.limit_db)
            if match is not None:
                matches[node] = match
                values[node] = match.value
        return {node: value for node, value in values.items() if isinstance(value, Tensor)} | known

    def _output(self, node: Node, result: Tensor) -> Match | None:
        """The artifact's value of an output, which is known by its place and not by its numbers."""
        if node not in self.outputs:
            return None
        found = self._output_db(node, result)
        return Match(-1, self.outputs[node], found) if found >= self.limit_db else None

    def _output_db(self, node: Node, wanted: Tensor) -> float:
        return sqnr_db(wanted.numpy(), self.outputs[node].numpy(), self.units.get(node, 0.0))

    def _failing(self, expected: Mapping[Node, Tensor]) -> list[Node]:
        settled = {*self.matches, *self._adopted()}
        return [node for node in dict.fromkeys(self.graph.outputs) if node not in settled]

    def _fault(self, failing: Sequence[Node], expected: Mapping[Node, Tensor]) -> FaultyOperation:
        """The first operation on the way to a failing output that one of the artifact's values explains."""
        suspects = self._suspects(failing)
        for node in suspects:
            if fault := self._explained(node, failing, expected):
                return fault
        first = next((node for node in suspects if not moves_only(node)), suspects[0])
        output = failing[0]
        return FaultyOperation(first, self._output_db(output, expected[output]), None)

    def _add_faults_without_effect(self, expected: Mapping[Node, Tensor]) -> None:
        """Wrong layers that outputs do not show, because what follows makes next to nothing of them."""
        for node in self.graph.computed:
            settled = node in self.matches or node in self._adopted() or node in self.outputs
            if not settled and node in self.graph.variable and is_product(node):
                fault = self._explained(node, (), expected)
                if fault is not None:
                    self.faults.append(fault)
                    expected = self._pass(self.matches, self._adopted())

    def _explained(
        self, node: Node, failing: Sequence[Node], expected: Mapping[Node, Tensor]
    ) -> FaultyOperation | None:
        """The fault of an operation, if with one of the artifact's values for it what follows agrees."""
        explained, best, matches = (0, 0), None, None
        for match in self._candidates(node, expected.get(node)):
            tried = dict(self.matches)
            self._pass(tried, self._adopted() | {node: match.value})
            new = {*tried} - {*self.matches} | {node}
            # A value in the wrong layout explains a few operations too, the right one all of them.
            found = (len(new & {*failing}), sum(not moves_only(other) for other in new) - 1)
            if found > explained:
                explained, best, matches = found, match, tried
            if failing and found[0] == len(failing):
                break
        if best is None or matches is None:
            return None
        self.matches = matches
        return FaultyOperation(node, best.sqnr_db, best.value)

    def _candidates(self, node: Node, wanted: Tensor | None) -> Iterator[Match]:
        if wanted is None or not wanted.is_floating_point():
            return
        if node in self.outputs:
            yield Match(-1, self.outputs[node], self._output_db(node, wanted))
        elif not moves_only(node):
            yield from self.computed.likely(wanted, TRIES)

    def _suspects(self, failing: Sequence[Node]) -> list[Node]:
        """What failing outputs are computed from and the artifact does not show as it should be, in order."""
        settled = {*self.matches, *self._adopted(), *self.graph.inputs}
        reached, waiting = set(), list(failing)
        while waiting:
            node = waiting.pop()
            if node not in settled and node not in reached and node in self.graph.variable:
                reached.add(node)
                waiting += node.all_input_nodes
        return [node for node in self.graph.computed if node in reached]
