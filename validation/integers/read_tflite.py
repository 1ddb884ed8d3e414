"""Convolutions and matrix products of a `.tflite`, by signature."""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.memory.tflite import OPERATORS
from tinysam2.mobile_runtime.parsing import parsed
from tinysam2.mobile_runtime.tflite_file import KIND, open_tflite
from tinysam2.validation.integers.products import (
    AS_STORED,
    OHWI,
    ONE_HWO,
    AxisOrder,
    Contents,
    Product,
    Rounding,
    StandaloneRounding,
    StoredWeight,
)

LAYOUTS = {"CONV_2D": OHWI, "DEPTHWISE_CONV_2D": ONE_HWO, "FULLY_CONNECTED": AS_STORED}

PRODUCTS = {*LAYOUTS, "BATCH_MATMUL"}

MOVING = {
    "BROADCAST_TO", "CONCATENATION", "EXPAND_DIMS", "PACK", "PAD", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE",
    "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE",
}  # fmt: skip
"""Operators that move values and change none."""

UNREAD = {"TRANSPOSE_CONV", "CONV_3D"}
"""No layer of the model becomes one; counted as nothing they would raise the share of int8."""

DTYPES = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
}

ACTIVATIONS = {code: name for name, code in vars(schema.ActivationFunctionType).items() if not name.startswith("_")}


def read_contents(path: Path, programs: tuple[str, ...]) -> Contents:
    """All products and rounding roundings of the signatures named, in the file's order.

    Raises InputError where the file cannot be read, lacks a signature, or multiplies in a way that is not known.
    """
    data, model = open_tflite(path)
    with parsed(path, KIND):
        graphs = {
            signature.signatureKey.decode(): model.subgraphs[signature.subgraphIndex]
            for signature in model.signatureDefs
        }
        if missing := [program for program in programs if program not in graphs]:
            raise InputError(f"{path} has no signature {missing[0]}; convert again")
        return Contents(
            [product for program in programs for product in _products(path, data, model, graphs[program], program)],
            [rounding for program in programs for rounding in _standalone_roundings(model, graphs[program], program)],
        )


def _products(
    path: Path, data: bytes, model: schema.ModelT, graph: schema.SubGraphT, program: str
) -> Iterator[Product]:
    for number, operator in enumerate(graph.operators):
        kind = _kind(model, operator)
        if kind in UNREAD:
            raise InputError(f"{path}: operator {number} of {program} is {kind}, which cannot be read; convert again")
        if kind not in PRODUCTS:
            continue
        first, second = (graph.tensors[index] for index in operator.inputs[:2])
        (output,) = (graph.tensors[index] for index in operator.outputs)
        values = _constant(data, model, second)
        if kind == "BATCH_MATMUL":
            contracted = first.shape[-2 if operator.builtinOptions.adjX else -1]
        else:
            contracted = math.prod(second.shape) // second.shape[LAYOUTS[kind].order[0]]
        yield Product(
            program,
            f"operator {number} ({kind})",
            math.prod(map(int, output.shape)) * int(contracted),
            None if values is None or kind not in LAYOUTS else _weight(LAYOUTS[kind], second, values),
            _rounding(first) if values is not None or _rounding(second) else None,
            _rounding(output),
            ACTIVATIONS[getattr(operator.builtinOptions, "fusedActivationFunction", 0)].replace("NONE", ""),
        )


def _standalone_roundings(model: schema.ModelT, graph: schema.SubGraphT, program: str) -> Iterator[StandaloneRounding]:
    """Operators that round, or round again, what is not a layer's input alone.

    The converter quantizes whatever joins an int8 tensor in a concatenation, and what a slice was taken from.
    """
    readers: dict[int, list[schema.OperatorT]] = defaultdict(list)
    for operator in graph.operators:
        for index in operator.inputs:
            readers[index].append(operator)

    def feeds_layers_alone(index: int) -> bool:
        kinds = {_kind(model, reader) for reader in readers[index]}
        moved = (reader.outputs[0] for reader in readers[index] if _kind(model, reader) in MOVING)
        return bool(kinds) and kinds <= PRODUCTS | MOVING and all(map(feeds_layers_alone, moved))

    for number, operator in enumerate(graph.operators):
        kind, output = _kind(model, operator), operator.outputs[0]
        rounds = graph.tensors[output].type == schema.TensorType.INT8 and kind not in PRODUCTS | MOVING
        if rounds and not feeds_layers_alone(output):
            yield StandaloneRounding(program, f"operator {number} ({kind})")


def _kind(model: schema.ModelT, operator: schema.OperatorT) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    # Codes above 127 stand in the newer field, which older writers leave at 0.
    return OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")


def _constant(data: bytes, model: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    buffer = model.buffers[tensor.buffer]
    if buffer.data is not None and len(buffer.data):
        contents = np.asarray(buffer.data, np.uint8).tobytes()
    elif buffer.size:
        # Beyond the flatbuffer, where it would grow past what its offsets reach.
        contents = data[buffer.offset : buffer.offset + buffer.size]
    else:
        return None
    return np.frombuffer(contents, DTYPES[tensor.type]).reshape(tensor.shape)


def _weight(order: AxisOrder, tensor: schema.TensorT, values: np.ndarray) -> StoredWeight:
    if values.dtype != np.int8:
        return order.weight(values)
    how = tensor.quantization
    return order.weight(
        values, np.asarray(how.scale, np.float32), np.asarray(how.zeroPoint), int(how.quantizedDimension)
    )


def _rounding(tensor: schema.TensorT) -> Rounding | None:
    if tensor.type != schema.TensorType.INT8:
        return None
    return Rounding(float(np.float32(tensor.quantization.scale[0])), int(tensor.quantization.zeroPoint[0]))
