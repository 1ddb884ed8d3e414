"""LiteRT's own clock: the profiler of its compiled model, which shows the operators within XNNPACK too."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinysam2.core.contract import ProgramSpec
from tinysam2.core.errors import InputError
from tinysam2.core.silencing import silenced
from tinysam2.mobile_runtime.tflite_file import open_tflite
from tinysam2.validation.profiling.litert_library import (
    DEFAULT,
    DELEGATE_OPERATOR_INVOKE,
    OPERATOR_INVOKE,
    LiteRTError,
    ProfiledEvent,
    ProfiledModel,
)
from tinysam2.validation.profiling.operations import WARM_UPS, Operation, ProgramProfile, Time, Timeline

RUN = "Invoke"
"""The span of a whole run."""

REMAINDER = "XNNPACK calls, outside their operators"

MICROSECONDS = 1e-3

REASONS = {
    ("BROADCAST_TO", True): "XNNPACK's delegate takes no broadcast; this one repeats a constant of a few values",
    ("FLOOR_DIV", True): "XNNPACK's delegate takes no floor division; the constant divides a few positions",
    ("FULLY_CONNECTED", False): "both factors are computed, and XNNPACK's delegate takes stored weights only",
}
"""Operation, and whether it holds weights -> why it is not delegated."""

WEIGHTS = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.INT8)


def profile_program(
    path: Path, spec: ProgramSpec, inputs: Mapping[str, np.ndarray], runs: int, threads: int
) -> ProgramProfile:
    """The operations of one signature. inputs: by the contract's names.

    Raises InputError where the file cannot be read or lacks the signature.
    """
    _, model = open_tflite(path)
    subgraphs = {entry.signatureKey.decode(): entry.subgraphIndex for entry in model.signatureDefs or ()}
    if spec.name not in subgraphs:
        raise InputError(f"{path} has no signature {spec.name}; convert again")
    try:
        with silenced(), ProfiledModel(path, threads) as profiled:
            traced = profiled.run(profiled.signature(spec.name), inputs, WARM_UPS, runs)
    except LiteRTError as error:
        raise InputError(f"{path} cannot be profiled ({error}); convert again") from error
    totals, timeline = Timeline(), Timeline()
    for events in traced:
        _add(events, totals, timeline)
    [(_, time)] = totals.times()
    graph = _Graph(model, subgraphs[spec.name])
    return ProgramProfile(spec.name, time, [graph.operation(key, time) for key, time in timeline.times()])


def _add(events: Sequence[ProfiledEvent], totals: Timeline, timeline: Timeline) -> None:
    """Adds one run's events: key (partition, index, operator), the partition None for an operation that the
    interpreter runs, the operator "" for what the delegate's calls take beyond their operators."""
    [whole] = [event for event in events if event.kind == DEFAULT and event.tag == RUN]
    totals.add(RUN, whole.microseconds * MICROSECONDS)
    partition, seen = -1, 0
    for event in events:
        if event.kind == DELEGATE_OPERATOR_INVOKE:
            # Each call of the delegate reports its operators after itself, counted from 0.
            partition += event.index == 0
            timeline.add((partition, event.index, event.tag), event.microseconds * MICROSECONDS)
        elif event.kind == OPERATOR_INVOKE:
            timeline.add((None, event.index, event.tag), event.microseconds * MICROSECONDS)
        else:
            continue
        seen += event.microseconds
    timeline.add((None, 0, ""), max(0, whole.microseconds - seen) * MICROSECONDS)


class _Graph:
    """A subgraph of the file, which says what an operation reads."""

    def __init__(self, model: schema.ModelT, subgraph: int) -> None:
        self._tensors = model.subgraphs[subgraph].tensors
        self._operators = model.subgraphs[subgraph].operators
        self._buffers = model.buffers

    def operation(self, key, time: Time) -> Operation:
        partition, index, name = key
        if not name:
            return Operation(REMAINDER, "all partitions", time, True)
        if partition is not None:
            return Operation(name, f"partition {partition}, operator {index}", time, True)
        operator = self._operators[index]
        node = self._tensors[operator.outputs[0]].name.decode()
        weights = tuple(self._weights(operator))
        return Operation(name, f"operator {index}", time, False, weights, REASONS.get((name, bool(weights))), node)

    def _weights(self, operator: schema.OperatorT):
        for tensor in (self._tensors[index] for index in operator.inputs if index >= 0):
            stored = self._buffers[tensor.buffer].data is not None
            shape = () if tensor.shape is None else tuple(int(side) for side in tensor.shape)
            if stored and tensor.type in WEIGHTS and math.prod(shape) > 1:
                yield shape
