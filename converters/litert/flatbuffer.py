"""A `.tflite` as objects and as bytes again, without what no runtime needs twice or at all."""

from collections import Counter
from collections.abc import Callable

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"


def parsed(data: bytes) -> schema.ModelT:
    """The model that a file holds, with the contents that some writers put behind it."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    for buffer in model.buffers:
        if buffer.offset:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def packed(model: schema.ModelT) -> bytes:
    """The file of a model. Equal vectors and names are written once: every zero point of every channel is 0."""
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def shorten_names(model: schema.ModelT) -> None:
    """Leaves activations the name of the module that they come from, and numbers constants; signatures keep theirs.

    No two tensors have the same name, in any graph: LiteRT's own quantizer tells them by it.
    """
    uses: Counter[str] = Counter()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            contents = model.buffers[tensor.buffer].data
            name = "c" if contents is not None and len(contents) else _module(tensor.name.decode())
            tensor.name = f"{name}~{uses[name]}" if uses[name] else name
            uses[name] += 1


def code_of(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """The builtin code of an operator."""
    return _builtin(model.operatorCodes[operator.opcodeIndex])


def place_of_code(model: schema.ModelT, code: int, version: int) -> int:
    """The place of a builtin code in the model, which gets it, of that version, where it has not."""
    codes = [_builtin(entry) for entry in model.operatorCodes]
    if code in codes:
        return codes.index(code)
    entry = schema.OperatorCodeT()
    # Codes up to 127 fit the older field too, which older runtimes read.
    entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, code, version
    model.operatorCodes.append(entry)
    return len(codes)


def _builtin(entry: schema.OperatorCodeT) -> int:
    return max(entry.builtinCode, entry.deprecatedBuiltinCode)


def _module(name: str) -> str:
    """Of the converter's name, which joins every module's path and class, the first module's path alone.

    `models.a.Encoder_module/torch.nn.Linear_proj;2` becomes `module.proj;2`.
    """
    path, _, number = name.partition(";;")[0].partition(";")
    parts = [part.rpartition(".")[2].partition("_")[2] for part in path.split("/")]
    short = ".".join(part for part in parts if part)
    return (f"{short};{number}" if number else short) if short else name


class _SharingBuilder(flatbuffers.Builder):
    """Writes what it has written before as a reference to that."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[object, int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 - overrides
        return self._once((x.dtype.str, x.tobytes()), super().CreateNumpyVector, x)

    def CreateString(self, s: str | bytes, *how: str) -> int:  # noqa: N802 - overrides
        return self._once(s, super().CreateString, s, *how)

    def _once(self, key: object, write: Callable[..., int], *what: object) -> int:
        if key not in self._written:
            self._written[key] = write(*what)
        return self._written[key]
