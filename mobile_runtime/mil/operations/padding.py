"""Spatial padding as convolutions and poolings name it."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from tinysam2.core.errors import InputError


def spatial_padding(
    pad_type: str,
    pad: list[int] | None,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: list[int],
    dilations: list[int],
) -> list[tuple[int, int]]:
    """Elements to add (before, after) each spatial dimension.

    'same' puts an odd one after, 'same_lower' before. Source: MIL iOS15 and iOS16 conv and pooling.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(kernel)
    if pad_type == "custom":
        if pad is None:
            raise InputError("custom padding has no amounts; pad must be given")
        return list(zip(pad[0::2], pad[1::2], strict=True))
    padding = []
    for size, length, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        span = (length - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        smaller, larger = total // 2, total - total // 2
        padding.append((larger, smaller) if pad_type == "same_lower" else (smaller, larger))
    return padding


def is_symmetric(padding: list[tuple[int, int]]) -> bool:
    return all(before == after for before, after in padding)


def pad_spatial(x: Tensor, padding: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Pad the last dimensions of x, one (before, after) each; a negative amount crops."""
    if not any(before or after for before, after in padding):
        return x
    last_first = [amount for pair in reversed(padding) for amount in pair]
    return F.pad(x, last_first, value=value)
