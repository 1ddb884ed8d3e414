"""What the converter to `.tflite` makes int8 beyond the layers, back in float: the recipe rounds layers alone."""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinysam2.converters.litert.flatbuffer import code_of, place_of_code

Code, Type = schema.BuiltinOperator, schema.TensorType

ARITHMETIC = {Code.ADD, Code.GELU, Code.LOGISTIC, Code.MEAN, Code.MUL, Code.SUB, Code.SUM}
"""Operators that the converter makes int8 where they stand between two roundings.

Their int8 kernels are up to a step off, but for GELU's, which looks its values up: XNNPACK has none, and the whole
encoder is slower for it.
"""


def restore_float_operations(model: schema.ModelT) -> None:
    """Gives a model float32 inputs and outputs and float arithmetic between its int8 layers, in place.

    The converter lets a signature begin and end with int8 where an int8 layer is the only one there, so that an app
    would have to know each scale; and it makes what stands between layers int8. The layers stay as they are.
    """
    for signature in model.signatureDefs:
        graph = _Graph(model, model.subgraphs[signature.subgraphIndex])
        graph._float_operators()
        graph._float_boundary(signature)


class _Graph:
    """One signature's operators and tensors, being changed."""

    def __init__(self, model: schema.ModelT, graph: schema.SubGraphT) -> None:
        self.model, self.graph = model, graph

    def _float_operators(self) -> None:
        """Puts a dequantize before and a quantize behind every operator between layers."""
        changed, float_copies = [], {}
        for operator in self.graph.operators:
            code, (output, *_) = self._code(operator), operator.outputs
            if code == Code.DEQUANTIZE:
                float_copies[operator.inputs[0]] = output
            if code not in ARITHMETIC or not self._is_int8(output):
                changed.append(operator)
                continue
            for index in operator.inputs:
                if self._is_int8(index) and index not in float_copies:
                    float_copies[index] = self._float_copy_of(index)
                    changed.append(self._operator(Code.DEQUANTIZE, index, float_copies[index]))
            float_copy = self._float_copy_of(output)
            operator.inputs = np.array([float_copies.get(index, index) for index in operator.inputs], np.int32)
            operator.outputs = np.array([float_copy], np.int32)
            changed += operator, self._operator(Code.QUANTIZE, float_copy, output)
        self.graph.operators = changed

    def _float_boundary(self, signature: schema.SignatureDefT) -> None:
        """Gives every int8 input and output of the signature a float one in its place."""
        input_copies, output_copies = self._float_copies(signature.inputs), self._float_copies(signature.outputs)
        self.graph.inputs = [input_copies.get(index, index) for index in self.graph.inputs]
        self.graph.outputs = [output_copies.get(index, index) for index in self.graph.outputs]
        rounding = (self._operator(Code.QUANTIZE, float_copy, index) for index, float_copy in input_copies.items())
        dequantizing = (
            self._operator(Code.DEQUANTIZE, index, float_copy) for index, float_copy in output_copies.items()
        )
        self.graph.operators = [*rounding, *self.graph.operators, *dequantizing]

    def _float_copies(self, boundary: Sequence[schema.TensorMapT]) -> dict[int, int]:
        """Int8 tensor of a boundary -> the float one that its entries name from now on."""
        twins: dict[int, int] = {}
        for entry in boundary:
            if self._is_int8(entry.tensorIndex):
                if entry.tensorIndex not in twins:
                    twins[entry.tensorIndex] = self._float_copy_of(entry.tensorIndex)
                entry.tensorIndex = twins[entry.tensorIndex]
        return twins

    def _is_int8(self, index: int) -> bool:
        # A negative index stands for an input that is left out.
        return index >= 0 and self.graph.tensors[index].type == Type.INT8

    def _float_copy_of(self, index: int) -> int:
        tensor, float_copy = self.graph.tensors[index], schema.TensorT()
        float_copy.shape, float_copy.shapeSignature, float_copy.hasRank = (
            tensor.shape,
            tensor.shapeSignature,
            tensor.hasRank,
        )
        float_copy.type, float_copy.name = Type.FLOAT32, tensor.name + b"_float"
        self.graph.tensors.append(float_copy)
        return len(self.graph.tensors) - 1

    def _operator(self, code: int, source: int, result: int) -> schema.OperatorT:
        operator = schema.OperatorT()
        # Version 2 takes int8.
        operator.opcodeIndex = place_of_code(self.model, code, version=2)
        operator.inputs, operator.outputs = np.array([source], np.int32), np.array([result], np.int32)
        return operator

    def _code(self, operator: schema.OperatorT) -> int:
        return code_of(self.model, operator)
