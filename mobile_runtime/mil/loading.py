"""Reads a Core ML package into a Graph, or says in one sentence why it cannot."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.graph import Graph
from tinysam2.mobile_runtime.mil.mil_function import graph_from_mil
from tinysam2.mobile_runtime.mil.operations import KERNELS
from tinysam2.mobile_runtime.mil.stored_weights import require_whole_weights, stored_bytes

# The package spells a state write differently from the program coremltools rebuilds from it.
_PACKAGE_ONLY_TYPES = {"const", "write_state"}


def load_graph(path: str | Path, function: str | None) -> Graph:
    """Read one function of a .mlpackage; None is the one that the package names its default.

    Raises InputError when the path is not a readable ML Program package, has no such function, or uses an
    operation the interpreter does not know.
    """
    path = Path(path)
    _require_package(path)
    with _quiet_coremltools() as coremltools:
        specification = _read_specification(coremltools, path)
        program = specification.mlProgram
        function = function or specification.description.defaultFunctionName or "main"
        if function not in program.functions:
            known = ", ".join(sorted(program.functions))
            raise InputError(f"{path} has no function '{function}'; it has: {known}.")
        for other in set(program.functions) - {function}:
            del program.functions[other]
        block = _active_block(path, program.functions[function])
        _require_known_operations(path, function, block)
        require_whole_weights(block, _weights_folder(path))
        try:
            graph = graph_from_mil(_read_program(specification, path).functions[function])
            # coremltools fills in defaults, a zero bias for one, which the package does not store.
            graph.weight_bytes = stored_bytes(block)
        except Exception as error:
            raise InputError(
                f"{path} cannot be read as an ML Program ({_first_line(error)}); convert the model again."
            ) from error
    declared = _declared_outputs(specification, function)
    if set(declared) == set(graph.outputs):
        graph.outputs = declared
    return graph


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
                raise InputError("Reading a Core ML package needs coremltools; install tinysam2[coreml].") from error
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
        raise InputError(f"{path} holds no readable model ({_first_line(error)}); convert the model again.") from error
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
            f"{path}, function '{function}', uses operations that the interpreter does not know: {', '.join(unknown)}."
        )


def _declared_outputs(specification: Any, function: str) -> tuple[str, ...]:
    description = specification.description
    for candidate in description.functions:
        if candidate.name == function:
            description = candidate
    return tuple(feature.name for feature in description.output)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
