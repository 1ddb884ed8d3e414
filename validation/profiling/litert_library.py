"""LiteRT's C API, as the package's own shared library offers it: a compiled model that keeps a profile of its runs.

The package's Python classes have no profiler. Source: litert/c of github.com/google-ai-edge/LiteRT.
"""

import ctypes
from collections.abc import Mapping
from contextlib import ExitStack
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path

import ai_edge_litert
import numpy as np

LIBRARY = "libLiteRt.so"

CPU = 1
"""kLiteRtHwAcceleratorCpu."""

READ, WRITE = 0, 1
"""LiteRtTensorBufferLockMode."""

TENSOR_TYPE_WORDS = 32
"""32-bit words that hold a LiteRtRankedTensorType, which has 18."""

OPERATOR_INVOKE, DELEGATE_OPERATOR_INVOKE, DEFAULT = 2, 8, 1
"""Kinds of events: an operation that the interpreter runs, one within a delegate, and a span of the runtime's own."""


class _Memory(ctypes.Structure):
    _fields_ = [(name, c_size_t) for name in ("allocated", "in_use", "footprint")]


class _Event(ctypes.Structure):
    _fields_ = [
        ("tag", c_char_p),
        ("kind", c_int),
        ("start", c_uint64),
        ("elapsed", c_uint64),
        ("memory_before", _Memory),
        ("memory_after", _Memory),
        ("index", c_uint64),
        ("subgraph", c_uint64),
        ("source", c_int),
    ]


@dataclass(frozen=True)
class ProfiledEvent:
    """tag: the operation or span. kind: one of those above. microseconds: its duration. index: of the operation in
    its subgraph or, within a delegate, among the operations of one call."""

    tag: str
    kind: int
    microseconds: int
    index: int


class LiteRTError(RuntimeError):
    """A function of the library answered with a status other than 0."""


class ProfiledModel:
    """A `.tflite` compiled for the processor with profiling on, as a context manager.

    threads: of XNNPACK. Raises LiteRTError where the file cannot be read, or the library offers no profiler.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self._library = ctypes.CDLL(str(Path(ai_edge_litert.__file__).parent / LIBRARY))
        self._kept: list[object] = []
        self._cleanup = ExitStack()
        with ExitStack() as stack:
            self._environment = self._made(stack, "Environment", 0, None)
            self._model = self._made(stack, "ModelFromFile", self._environment, str(path).encode(), kind="Model")
            options = self._made(stack, "Options")
            self._call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
            self._add_option(options, "runtime_options_string", "enable_profiling = true\n")
            self._add_option(options, "xnnpack", f"num_threads = {threads}\n")
            self._compiled = self._made(stack, "CompiledModel", self._environment, self._model, options)
            self._profiler = self._got("LiteRtCompiledModelGetProfiler", self._compiled)
            self._cleanup = stack.pop_all()

    def __enter__(self) -> "ProfiledModel":
        return self

    def __exit__(self, *exception: object) -> None:
        self._cleanup.close()

    def signature(self, name: str) -> int:
        """The index of a signature. Raises LiteRTError where there is none of that name."""
        count = c_size_t()
        self._call("LiteRtGetNumModelSignatures", self._model, byref(count))
        for index in range(count.value):
            if self._name("LiteRtGetSignatureKey", self._got("LiteRtGetModelSignature", self._model, index)) == name:
                return index
        raise LiteRTError(f"there is no signature {name}")

    def run(self, signature: int, inputs: Mapping[str, np.ndarray], warm_ups: int, runs: int) -> list[list]:
        """The events of each of `runs` runs, after `warm_ups` that are not profiled. inputs: by name."""
        with ExitStack() as stack:
            taken = self._buffers(stack, signature, "Input")
            given = self._buffers(stack, signature, "Output")
            for name, buffer in taken.items():
                self._fill(buffer, inputs[name])
            arguments = []
            for buffers in (taken, given):
                arguments += [c_size_t(len(buffers)), (c_void_p * len(buffers))(*buffers.values())]
            profiled = []
            for number in range(warm_ups + runs):
                if number >= warm_ups:
                    self._call("LiteRtStartProfiler", self._profiler)
                self._call("LiteRtRunCompiledModel", self._compiled, c_size_t(signature), *arguments)
                if number >= warm_ups:
                    profiled.append(self._take_events())
        return profiled

    def _take_events(self) -> list[ProfiledEvent]:
        count = c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count.value, events)
        taken = [ProfiledEvent(e.tag.decode(errors="replace"), e.kind, e.elapsed, e.index) for e in events]
        self._call("LiteRtStopProfiler", self._profiler)
        self._call("LiteRtResetProfiler", self._profiler)
        return taken

    def _buffers(self, stack: ExitStack, signature: int, side: str) -> dict[str, c_void_p]:
        described = self._got("LiteRtGetModelSignature", self._model, signature)
        count = c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", described, byref(count))
        buffers = {}
        for index in range(count.value):
            tensor = self._got(f"LiteRtGetSignature{side}TensorByIndex", described, index)
            kind = (c_uint32 * TENSOR_TYPE_WORDS)()
            self._call("LiteRtGetRankedTensorType", tensor, kind)
            needs = self._got(f"LiteRtGetCompiledModel{side}BufferRequirements", self._compiled, signature, index)
            made = "ManagedTensorBufferFromRequirements"
            buffer = self._made(stack, made, self._environment, kind, needs, kind="TensorBuffer")
            buffers[self._name(f"LiteRtGetSignature{side}Name", described, index)] = buffer
        return buffers

    def _fill(self, buffer: c_void_p, value: np.ndarray) -> None:
        value = np.ascontiguousarray(value)
        size = c_size_t()
        self._call("LiteRtGetTensorBufferPackedSize", buffer, byref(size))
        if size.value != value.nbytes:
            raise LiteRTError(f"an input takes {size.value} bytes, not {value.nbytes}")
        address = c_void_p()
        self._call("LiteRtLockTensorBuffer", buffer, byref(address), WRITE)
        ctypes.memmove(address, value.ctypes.data, value.nbytes)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _add_option(self, options: c_void_p, name: str, toml: str) -> None:
        deleter = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
        payload, identifier = ctypes.create_string_buffer(toml.encode()), c_char_p(name.encode())
        # The options point to these for as long as they live.
        self._kept += [deleter, payload, identifier]
        option = c_void_p()
        self._call("LiteRtCreateOpaqueOptions", identifier, ctypes.cast(payload, c_void_p), deleter, byref(option))
        self._call("LiteRtAddOpaqueOptions", options, option)

    def _made(self, stack: ExitStack, what: str, *arguments: object, kind: str | None = None) -> c_void_p:
        """A new handle, destroyed with the stack. kind: of the handle, where the function's name is longer."""
        handle = c_void_p()
        self._call(f"LiteRtCreate{what}", *arguments, byref(handle))
        stack.callback(getattr(self._library, f"LiteRtDestroy{kind or what}"), handle)
        return handle

    def _got(self, function: str, owner: c_void_p, *indices: int) -> c_void_p:
        """A handle that its owner keeps."""
        handle = c_void_p()
        self._call(function, owner, *(c_size_t(index) for index in indices), byref(handle))
        return handle

    def _name(self, function: str, owner: c_void_p, *indices: int) -> str:
        name = c_char_p()
        self._call(function, owner, *(c_size_t(index) for index in indices), byref(name))
        return (name.value or b"").decode()

    def _call(self, function: str, *arguments: object) -> None:
        if status := getattr(self._library, function)(*arguments):
            raise LiteRTError(f"{function} answered with status {status}")
