"""The tensors a package stores: how many bytes they are, and whether the weight file holds them all."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.mil_function import tensor_type

# MILBlob's record before each weight (Apple's coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp).
_SENTINEL = 0xDEADBEEF
_RECORD = np.dtype([("sentinel", "<u4"), ("dtype", "<u4"), ("bytes", "<u8"), ("offset", "<u8")])


def stored_bytes(block: Any) -> int:
    """Bytes of the tensors that a proto block stores; one that two operations share counts once."""
    from coremltools.converters.mil.frontend.milproto.helper import proto_to_types
    from coremltools.converters.mil.mil import types as mil_types

    total, seen = 0, set()
    for _, value in _stored_values(block):
        if value.WhichOneof("value") == "blobFileValue":
            place = (value.blobFileValue.fileName, value.blobFileValue.offset)
            if place in seen:
                continue
            seen.add(place)
        stored = proto_to_types(value.type)
        if mil_types.is_tensor(stored) and stored.get_primitive() != mil_types.str:
            total += tensor_type(stored.get_shape(), stored.get_primitive()).bytes
    return total


def require_whole_weights(block: Any, folder: Path) -> None:
    """Raise InputError if a weight that a proto block refers to is not wholly in its file in the folder.

    coremltools maps the file and would read past the end of one that was cut.
    """
    for name, value in _stored_values(block):
        if value.WhichOneof("value") != "blobFileValue":
            continue
        file = folder / value.blobFileValue.fileName.split("/")[-1]
        if not file.is_file():
            raise InputError(f"{file} is missing, which holds the weight '{name}'; copy the package again.")
        with open(file, "rb") as stream:
            # No file is as long as an offset can say.
            stream.seek(min(value.blobFileValue.offset, file.stat().st_size))
            header = stream.read(_RECORD.itemsize)
        if len(header) < _RECORD.itemsize:
            raise InputError(f"{file} ends before the weight '{name}'; it was cut, copy the package again.")
        record = np.frombuffer(header, _RECORD)[0]
        if record["sentinel"] != _SENTINEL:
            raise InputError(f"{file} holds no weight where '{name}' should be; copy the package again.")
        elements = math.prod(dimension.constant.size for dimension in value.type.tensorType.dimensions)
        offset, stored = int(record["offset"]), int(record["bytes"])
        if offset + stored > file.stat().st_size or stored * 8 < elements:
            raise InputError(f"{file} ends inside the weight '{name}'; it was cut, copy the package again.")


def _stored_values(block: Any) -> Iterator[tuple[str, Any]]:
    """Output name and value of all that is written into operations: constants, parts of compressed ones."""
    for operation in block.operations:
        name = operation.outputs[0].name if operation.outputs else operation.type
        for value in operation.attributes.values():
            yield name, value
        for argument in operation.inputs.values():
            for binding in argument.arguments:
                if binding.WhichOneof("binding") == "value":
                    yield name, binding.value
