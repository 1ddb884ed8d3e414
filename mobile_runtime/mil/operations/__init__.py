"""Every MIL operation the interpreter knows, by theme; importing this package fills the registry."""

from tinysam2.mobile_runtime.mil.operations import (
    activation,
    convolution,
    elementwise,
    indexing,
    linear,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
    selection,
    shape,
    state,
)
from tinysam2.mobile_runtime.mil.operations.registry import KERNELS, Kernel, StateBuffer

__all__ = [
    "KERNELS",
    "Kernel",
    "StateBuffer",
    "activation",
    "convolution",
    "elementwise",
    "indexing",
    "linear",
    "normalization",
    "pooling",
    "quantization",
    "reduction",
    "resize",
    "selection",
    "shape",
    "state",
]
