"""Products of two computed tensors as the operator whose kernel is fast."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinysam2.converters.litert.flatbuffer import code_of, place_of_code

Code, Options = schema.BuiltinOperator, schema.BuiltinOptions


def restore_matrix_products(model: schema.ModelT) -> None:
    """Turns each FULLY_CONNECTED of two computed tensors back into the BATCH_MATMUL that it was, in place.

    The converter takes a batch of 1 for a linear layer. XNNPACK's delegate has no linear layer of computed weights, so
    that attention's scores would fall to LiteRT's own, slower kernel. Products that lose an axis, and those with an
    activation, stay.
    """
    for graph in model.subgraphs:
        operators: list[schema.OperatorT] = []
        for operator in graph.operators:
            if _is_product_of_computed(model, graph, operator):
                operators.append(_as_batch_matmul(model, graph, operator))
            operators.append(operator)
        graph.operators = operators


def _is_product_of_computed(model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT) -> bool:
    if code_of(model, operator) != Code.FULLY_CONNECTED:
        return False
    options, bias = operator.builtinOptions, operator.inputs[2] if len(operator.inputs) > 2 else -1
    factors = [graph.tensors[index] for index in operator.inputs[:2]]
    return (
        bias < 0
        and bool(options.keepNumDims)
        and options.fusedActivationFunction == schema.ActivationFunctionType.NONE
        and all(tensor.type == schema.TensorType.FLOAT32 for tensor in factors)
        and not any(_stored(model, tensor) for tensor in factors)
    )


def _as_batch_matmul(model: schema.ModelT, graph: schema.SubGraphT, operator: schema.OperatorT) -> schema.OperatorT:
    """Changes the operator, and returns the reshape that comes before it: both factors need as many axes."""
    given, weights = operator.inputs[:2]
    axes = len(graph.tensors[given].shape) - len(graph.tensors[weights].shape)
    shape = np.array([*[1] * axes, *graph.tensors[weights].shape], np.int32)
    reshape = schema.OperatorT()
    reshape.opcodeIndex = place_of_code(model, Code.RESHAPE, version=1)
    reshape.inputs = np.array([weights, _constant(model, graph, shape)], np.int32)
    reshape.outputs = np.array([_tensor(graph, graph.tensors[weights], shape)], np.int32)
    reshape.builtinOptionsType, reshape.builtinOptions = Options.ReshapeOptions, schema.ReshapeOptionsT()
    reshape.builtinOptions.newShape = shape

    operator.opcodeIndex = place_of_code(model, Code.BATCH_MATMUL, version=1)
    operator.inputs = np.array([given, reshape.outputs[0]], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = Options.BatchMatMulOptions, schema.BatchMatMulOptionsT()
    # A linear layer's weights lie transposed.
    operator.builtinOptions.adjX, operator.builtinOptions.adjY = False, True
    operator.builtinOptions.asymmetricQuantizeInputs = False
    return reshape


def _stored(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    contents = model.buffers[tensor.buffer].data
    return contents is not None and len(contents) > 0


def _tensor(graph: schema.SubGraphT, like: schema.TensorT, shape: np.ndarray) -> int:
    tensor = schema.TensorT()
    tensor.shape, tensor.hasRank, tensor.type, tensor.name = shape, like.hasRank, like.type, like.name
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _constant(model: schema.ModelT, graph: schema.SubGraphT, values: np.ndarray) -> int:
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.shape, tensor.hasRank = np.array(values.shape, np.int32), True
    tensor.type, tensor.buffer, tensor.name = schema.TensorType.INT32, len(model.buffers) - 1, b"shape"
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
