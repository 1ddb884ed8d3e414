"""Peak activation memory of a program, from the declared shapes and types of its values."""

from dataclasses import dataclass

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.memory.liveness import BEFORE, Lifetime, fullest_moment
from tinysam2.mobile_runtime.mil.graph import Graph

# Operations whose output can be the input's own buffer, and the input it is: a runtime need not copy.
_VIEWED_INPUT = {
    "identity": "x",
    "reshape": "x",
    "squeeze": "x",
    "expand_dims": "x",
    "flatten2d": "x",
    "reshape_like": "x",
    "read_state": "input",
    "coreml_update_state": "state",
}


@dataclass(frozen=True)
class PeakActivation:
    """The moment when most activation memory is needed.

    bytes: of all tensors alive then, as declared (fp16 counts 2 bytes).
    operation: name of the operation being computed, its inputs and outputs alive; empty when the program's
        inputs alone are the peak.
    tensors: name and bytes of each tensor alive then, largest first.
    """

    bytes: int
    operation: str
    tensors: tuple[tuple[str, int], ...]


def peak_activation(graph: Graph) -> PeakActivation:
    """Liveness over the graph's values in program order.

    An input is alive from the beginning to its last use, an output to the end, a view shares its input's
    buffer. Constants and states are not activations. It is the least that program order needs: a runtime that
    fuses needs less, one that pads or does not reuse memory needs more.

    Raises InputError when a shape is known only at run time.
    """
    operations = _with_computed_outputs(graph)
    buffer = {name: name for name in (*graph.inputs, *graph.states)}
    for operation in operations:
        viewed = operation.inputs.get(_VIEWED_INPUT.get(operation.type, ""))
        for name in operation.outputs:
            buffer[name] = buffer.get(viewed, name)

    first = dict.fromkeys(graph.inputs, BEFORE)
    last = dict.fromkeys(graph.inputs, BEFORE)
    for index, operation in enumerate(operations):
        for name in operation.outputs:
            if buffer[name] == name:
                first[name] = index
        for name in (*operation.input_names, *operation.outputs):
            if name in buffer:
                last[buffer[name]] = index
    last.update((buffer[name], len(operations)) for name in graph.outputs if name in buffer)

    moment = fullest_moment(Lifetime(name, _bytes(graph, name), step, last[name]) for name, step in first.items())
    operation = "" if moment.step == BEFORE else operations[min(moment.step, len(operations) - 1)].name
    return PeakActivation(moment.bytes, operation, moment.tensors)


def _with_computed_outputs(graph: Graph) -> list:
    """Operations that run: those that only combine constants are folded into constants at load."""
    constant = set(graph.constants)
    running = []
    for operation in graph.operations:
        if all(name in constant for name in operation.input_names):
            constant.update(operation.outputs)
        else:
            running.append(operation)
    return running


def _bytes(graph: Graph, name: str) -> int:
    tensor_type = graph.types[name]
    if not tensor_type.is_static:
        raise InputError(f"The memory of '{name}' {tensor_type} is known only at run time; convert with fixed shapes.")
    return tensor_type.bytes
