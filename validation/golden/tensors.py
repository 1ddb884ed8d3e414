"""Golden tensors in one safetensors file that is also read as raw little-endian bytes, by the offsets of an index."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from tinysam2.core.errors import InputError

DTYPES = ("uint8", "int32", "float32")
_HEADER_LENGTH = 8


class TensorWriter:
    """Collects tensors by name; equal ones are stored once."""

    def __init__(self) -> None:
        self._tensors: dict[str, np.ndarray] = {}
        self._names: dict[tuple, str] = {}

    def add(self, name: str, value: np.ndarray) -> str:
        """The name under which the tensor is stored: `name`, or that of an equal one added before.

        Raises ValueError where the name is taken by another tensor, or the dtype is none of `DTYPES`.
        """
        value = np.ascontiguousarray(value)
        if value.dtype.name not in DTYPES:
            raise ValueError(f"{name} is {value.dtype}; golden tensors are {', '.join(DTYPES)}")
        key = (value.dtype.name, value.shape, value.tobytes())
        if key in self._names:
            return self._names[key]
        if name in self._tensors:
            raise ValueError(f"two golden tensors are named {name}")
        self._tensors[name] = value
        self._names[key] = name
        return name

    def write(self, path: Path) -> dict[str, dict]:
        """Writes the safetensors file and returns the index: name -> offset in bytes from the file's start, dtype and
        shape; values lie little-endian in C order. The same tensors give the same bytes."""
        data = save(self._tensors)
        path.write_bytes(data)
        (length,) = struct.unpack("<Q", data[:_HEADER_LENGTH])
        header = json.loads(data[_HEADER_LENGTH : _HEADER_LENGTH + length])
        start = _HEADER_LENGTH + length
        return {
            name: {
                "offset": start + header[name]["data_offsets"][0],
                "dtype": value.dtype.name,
                "shape": list(value.shape),
            }
            for name, value in sorted(self._tensors.items())
        }


class TensorReader:
    """Reads tensors by the index, as a host without a safetensors library does."""

    def __init__(self, path: Path, index: Mapping[str, Mapping]) -> None:
        self._path, self._index = path, index
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); ship the bundle again") from error

    def __getitem__(self, name: str) -> np.ndarray:
        """A tensor, not to be changed. Raises InputError where the index does not fit the file."""
        entry = self._index.get(name)
        if entry is None:
            raise InputError(f"the golden index names no tensor {name}; ship the bundle again")
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        count = int(np.prod(entry["shape"], dtype=np.int64))
        if entry["offset"] + count * dtype.itemsize > len(self._data):
            raise InputError(f"{self._path} ends before its tensor {name}; ship the bundle again")
        return np.frombuffer(self._data, dtype, count, entry["offset"]).reshape(entry["shape"])
