"""Reads a Core ML package into a Graph. The only file here that knows coremltools."""

import contextlib
import logging
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from mobile_runtime.mil.graph import Graph, Operation, TensorType
from mobile_runtime.mil.operations import KERNELS
from models.errors import InputError

# The package spells a state write differently from the program coremltools rebuilds from it.
_PACKAGE_ONLY_TYPES = {"const", "write_state"}


def load_graph(path: str | Path, function: str) -> Graph:
    """Read one function of a .mlpackage.

    Raises InputError when the path is not a readable ML Program package, has no such function, or uses an
    operation the interpreter does not know.
    """
    path = Path(path)
    _require_package(path)
    with _quiet_coremltools() as coremltools:
        specification = _read_specification(coremltools, path)
        program = specification.mlProgram
        if function not in program.functions:
            known = ", ".join(sorted(program.functions))
            raise InputError(f"{path} has no function '{function}'; it has: {known}.")
        for other in set(program.functions) - {function}:
            del program.functions[other]
        block = _active_block(path, program.functions[function])
        _require_known_operations(path, function, block)
        _require_whole_weights(path, block)
        try:
            graph = graph_from_mil(_read_program(specification, path).functions[function])
            # coremltools fills in defaults, a zero bias for one, which the package does not store.
            graph.weight_bytes = _stored_bytes(block)
        except Exception as error:
            raise InputError(
                f"{path} cannot be read as an ML Program ({_first_line(error)}); convert the model again."
            ) from error
    declared = _declared_outputs(specification, function)
    if set(declared) == set(graph.outputs):
        graph.outputs = declared
    return graph


def graph_from_mil(function: Any) -> Graph:
    """Describe a coremltools MIL function as a Graph."""
    from coremltools.converters.mil.mil import types as mil_types

    inputs, states, types = {}, {}, {}
    for name, variable in function.inputs.items():
        if mil_types.is_state(variable.sym_type):
            wrapped = variable.sym_type.wrapped_type()
            states[name] = _tensor_type(wrapped.get_shape(), wrapped.get_primitive())
        else:
            inputs[name] = types[name] = _tensor_type(variable.shape, variable.dtype)

    operations, constants, weight_bytes = [], {}, 0
    for operation in function.operations:
        if operation.op_type == "const":
            variable = operation.outputs[0]
            constant = variable.val
            constants[variable.name] = constant
            if not isinstance(constant, str) and variable.dtype != mil_types.str:
                types[variable.name] = _tensor_type(variable.shape, variable.dtype)
                constants[variable.name] = _whole_byte_array(constant)
                weight_bytes += types[variable.name].bytes
            continue
        for variable in operation.outputs:
            types[variable.name] = _tensor_type(variable.shape, variable.dtype)
        operations.append(
            Operation(
                type=operation.op_type,
                name=operation.name,
                inputs={
                    parameter: _names(source)
                    for parameter, source in operation.inputs.items()
                    if source is not None
                },
                outputs=tuple(variable.name for variable in operation.outputs),
            )
        )
    outputs = tuple(variable.name for variable in function.outputs)
    return Graph(inputs, states, outputs, operations, types, constants, weight_bytes)


def _names(source: Any) -> str | tuple[str, ...]:
    return tuple(variable.name for variable in source) if isinstance(source, list | tuple) else source.name


# coremltools' import complains of the torch version, of macOS libraries and, through torchao, of CUDA ones.
_NOISY_LOGGERS = ("coremltools", "torchao", "torch.utils._pytree")


@contextlib.contextmanager
def _quiet_coremltools() -> Iterator[ModuleType]:
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    former_levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                import coremltools
            except ImportError as error:
                raise InputError(
                    "Reading a Core ML package needs coremltools; install tinysam2[coreml]."
                ) from error
            yield coremltools
    finally:
        for logger, level in zip(loggers, former_levels, strict=True):
            logger.setLevel(level)


def _require_package(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist; give the path of a .mlpackage folder.")
    if not path.is_dir():
        raise InputError(f"{path} is a file; a Core ML package is a folder named .mlpackage.")
    if not (path / "Manifest.json").is_file():
        raise InputError(f"{path} has no Manifest.json; a Core ML package is what MLModel.save writes.")


def _read_specification(coremltools: ModuleType, path: Path) -> Any:
    try:
        specification = coremltools.utils.load_spec(str(path))
    except Exception as error:
        raise InputError(
            f"{path} holds no readable model ({_first_line(error)}); convert the model again."
        ) from error
    kind = specification.WhichOneof("Type")
    if kind is None:
        raise InputError(f"{path} holds an empty model; convert the model again.")
    if kind != "mlProgram":
        raise InputError(
            f"{path} holds a model of type '{kind}'; convert it as an ML Program (convert_to='mlprogram')."
        )
    return specification


def _read_program(specification: Any, path: Path) -> Any:
    from coremltools.converters.mil.frontend.milproto.load import load

    return load(
        specification,
        specification_version=specification.specificationVersion,
        file_weights_dir=str(_weights_folder(path)),
    )


def _weights_folder(path: Path) -> Path:
    return path / "Data" / "com.apple.CoreML" / "weights"


def _active_block(path: Path, function: Any) -> Any:
    # Looked up first: a protobuf map answers a missing key with an empty block.
    if function.opset not in function.block_specializations:
        raise InputError(f"{path} has no body for its opset {function.opset}; convert the model again.")
    return function.block_specializations[function.opset]


def _require_known_operations(path: Path, function: str, block: Any) -> None:
    used = {operation.type for operation in block.operations}
    unknown = sorted(used - KERNELS.keys() - _PACKAGE_ONLY_TYPES)
    if unknown:
        raise InputError(
            f"{path}, function '{function}', uses operations that the interpreter does not know: "
            f"{', '.join(unknown)}."
        )


def _require_whole_weights(path: Path, block: Any) -> None:
    """coremltools maps the weight file and reads past its end when the file was cut: look before it does."""
    for operation in block.operations:
        for value in _stored_values(operation):
            if value.WhichOneof("value") != "blobFileValue":
                continue
            blob = _weights_folder(path) / value.blobFileValue.fileName.split("/")[-1]
            size = blob.stat().st_size if blob.is_file() else -1
            if size < 0:
                raise InputError(f"{path} lacks its weight file {blob.name}; convert the model again.")
            tensor = value.type.tensorType
            elements = int(np.prod([dimension.constant.size for dimension in tensor.dimensions]))
            name = operation.outputs[0].name
            with open(blob, "rb") as stream:
                stream.seek(value.blobFileValue.offset)
                header = np.frombuffer(stream.read(_BLOB_HEADER.itemsize), np.uint8)
            if len(header) < _BLOB_HEADER.itemsize:
                raise InputError(f"{blob} ends before the weight '{name}'; it was cut, copy it again.")
            record = header.view(_BLOB_HEADER)[0]
            if record["sentinel"] != _BLOB_SENTINEL:
                raise InputError(f"{blob} holds no weight where '{name}' should be; the package is damaged.")
            if record["offset"] + record["bytes"] > size or record["bytes"] * 8 < elements:
                raise InputError(f"{blob} ends inside the weight '{name}'; it was cut, copy it again.")


# MILBlob's record before each weight (Apple's mlmodel format, MILBlob/Blob/StorageFormat.hpp).
_BLOB_SENTINEL = 0xDEADBEEF
_BLOB_HEADER = np.dtype([("sentinel", "<u4"), ("dtype", "<u4"), ("bytes", "<u8"), ("offset", "<u8")])


def _blob_values(operation: Any) -> Iterator[Any]:
    values = list(operation.attributes.values())
    for argument in operation.inputs.values():
        values.extend(
            binding.value for binding in argument.arguments if binding.WhichOneof("binding") == "value"
        )
    return (value for value in values if value.WhichOneof("value") == "blobFileValue")


def _declared_output_order(specification: Any, function: str) -> list[str]:
    description = specification.description
    for candidate in description.functions:
        if candidate.name == function:
            description = candidate
    return tuple(feature.name for feature in description.output)


def _tensor_type(shape: Collection[Any], dtype: Any) -> TensorType:
    from coremltools.converters.mil.mil import types as mil_types

    name = mil_types.builtin_to_string(dtype)
    name = {"fp16": "float16", "fp32": "float32", "fp64": "float64"}.get(name, name)
    sizes = tuple(int(size) if isinstance(size, int | float | np.number) else None for size in shape)
    return TensorType(sizes, name)


def _whole_byte_array(constant: Any) -> np.ndarray:
    """numpy has no sub-byte types; coremltools marks int4, uint1 and the like in the dtype's metadata."""
    array = np.asarray(constant)
    if array.dtype.metadata:
        return array.astype(np.dtype(array.dtype.str))
    return array


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
