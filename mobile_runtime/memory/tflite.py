"""What a `.tflite` tells of its memory: tensors from when they live, and the weights that each signature reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinysam2.core.contract import ProgramSpec
from tinysam2.mobile_runtime.memory.accounting import Peak, peak
from tinysam2.mobile_runtime.memory.liveness import BEFORE, Lifetime
from tinysam2.mobile_runtime.parsing import parsed
from tinysam2.mobile_runtime.tflite_file import KIND, open_tflite

ITEM_BITS = {
    schema.TensorType.FLOAT32: 32,
    schema.TensorType.FLOAT16: 16,
    schema.TensorType.INT64: 64,
    schema.TensorType.INT32: 32,
    schema.TensorType.INT16: 16,
    schema.TensorType.INT8: 8,
    schema.TensorType.UINT8: 8,
    schema.TensorType.BOOL: 8,
    schema.TensorType.INT4: 4,
}

OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


@dataclass(frozen=True)
class TFLiteMemory:
    """Bytes of all weights in the file, and by signature its weights and estimated activations."""

    weights: int
    signatures: Mapping[str, tuple[int, Peak]]


def read_tflite_memory(path: Path, contract: Mapping[str, ProgramSpec]) -> TFLiteMemory:
    """Reads a file's graphs, in the file's order of operators.

    Activations are an estimate: the runtime's arena aligns and packs, and its delegate keeps a workspace of its own.
    Tensors at the border get the contract's names. Raises InputError where the file cannot be read.
    """
    _, model = open_tflite(path)
    with parsed(path, KIND):
        signatures = {signature.signatureKey.decode(): signature for signature in model.signatureDefs}
        stored = {
            name: _stored(model, model.subgraphs[signature.subgraphIndex]) for name, signature in signatures.items()
        }
        return TFLiteMemory(
            sum({index: size for buffers in stored.values() for index, size in buffers.items()}.values()),
            {
                name: (sum(stored[name].values()), _estimated(model, signature, contract.get(name)))
                for name, signature in signatures.items()
            },
        )


def _stored(model: schema.ModelT, graph: schema.SubGraphT) -> dict[int, int]:
    """Bytes of each buffer with contents that a graph's tensors refer to."""
    sizes = {}
    for tensor in graph.tensors:
        buffer = model.buffers[tensor.buffer]
        # Contents lie in the buffer itself, or beyond the flatbuffer at an offset.
        if size := (len(buffer.data) if buffer.data is not None else 0) or buffer.size:
            sizes[tensor.buffer] = size
    return sizes


def _estimated(model: schema.ModelT, signature: schema.SignatureDefT, spec: ProgramSpec | None) -> Peak:
    graph = model.subgraphs[signature.subgraphIndex]
    names = {entry.tensorIndex: entry.name.decode() for entry in signature.inputs}
    if spec:
        positions = {f"output_{i}": name for i, name in enumerate(spec.output_names)}
        names |= {entry.tensorIndex: positions[entry.name.decode()] for entry in signature.outputs}
    first, last = dict.fromkeys(graph.inputs, BEFORE), dict.fromkeys(graph.inputs, BEFORE)
    for step, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(index, step)
            last[index] = step
        for index in operator.inputs:
            if index in first:
                last[index] = step
    last.update(dict.fromkeys(graph.outputs, len(graph.operators)))

    def size(index: int) -> int:
        tensor = graph.tensors[index]
        shape = tensor.shape if tensor.shape is not None else ()
        return (int(np.prod(shape)) * ITEM_BITS[tensor.type] + 7) // 8

    def name(index: int) -> str:
        return names.get(index) or graph.tensors[index].name.decode()

    lifetimes = [Lifetime(name(index), size(index), step, last[index]) for index, step in first.items()]
    return peak(
        lifetimes, [f"operator {step} ({_kind(model, operator)})" for step, operator in enumerate(graph.operators)]
    )


def _kind(model: schema.ModelT, operator: schema.OperatorT) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Codes above 127 stand in the newer field, which older writers leave at 0.
    return OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
