"""Convolutions in one to three spatial dimensions (MIL iOS15 and iOS17 conv and conv_transpose)."""

import torch.nn.functional as F
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.linear import summed_as
from tinysam2.mobile_runtime.mil.operations.padding import is_symmetric, pad_spatial, spatial_padding
from tinysam2.mobile_runtime.mil.operations.registry import register

_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONVOLVE_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@register("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    strides: list[int],
    pad_type: str,
    pad: list[int],
    dilations: list[int],
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    padding = spatial_padding(pad_type, pad, x.shape[2:], weight.shape[2:], strides, dilations)
    if is_symmetric(padding):
        amounts = [before for before, _ in padding]
    else:
        x, amounts = pad_spatial(x, padding), [0] * len(padding)
    x, bias = summed_as(weight, x, bias)
    return _CONVOLVE[x.ndim - 2](x, weight, bias, strides, amounts, dilations, groups)


@register("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    pad: list[int],
    pad_type: str,
    strides: list[int],
    dilations: list[int],
    groups: int,
    bias: Tensor | None = None,
    output_shape: list[int] | None = None,
) -> Tensor:
    spatial = x.ndim - 2
    full = _CONVOLVE_TRANSPOSED[spatial](x, weight, None, strides, 0, 0, groups, dilations)
    sizes = full.shape[2:]
    if output_shape is not None:
        wanted = output_shape[2:]
    elif pad_type == "same":
        wanted = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    elif pad_type == "custom":
        wanted = [size - pad[2 * i] - pad[2 * i + 1] for i, size in enumerate(sizes)]
    else:
        wanted = list(sizes)
    if pad_type == "same":
        # As TensorFlow's gradient of a 'same' convolution: an odd element is cropped after.
        starts = [max(size - want, 0) // 2 for size, want in zip(sizes, wanted, strict=True)]
    else:
        starts = pad[0::2] if pad_type == "custom" else [0] * spatial
    crop = [(-start, want + start - size) for start, want, size in zip(starts, wanted, sizes, strict=True)]
    result = pad_spatial(full, crop)
    return result if bias is None else result + bias.reshape((-1,) + (1,) * spatial)
