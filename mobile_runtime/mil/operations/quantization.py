"""Quantization (MIL iOS17) and compressed constants (MIL iOS16 and iOS18 constexpr operations)."""

import math

import torch
from torch import Tensor

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil.operations.registry import register

_INTEGER_RANGES = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}


@register("quantize", rounds=False)
def quantize(
    input: Tensor, scale: Tensor, output_dtype: str, zero_point: Tensor | None = None, axis: int | None = None
) -> Tensor:
    # MIL says to divide. torch's quantized_decomposed multiplies by the reciprocal, which rounds some ties elsewhere;
    # so does this, that a package converted from torch gives torch's own integers.
    quantized = torch.round(input * _along(scale, input, axis).reciprocal())
    if zero_point is not None:
        quantized = quantized + _along(zero_point, input, axis)
    return quantized.clamp(*_INTEGER_RANGES[output_dtype])


@register("dequantize")
def dequantize(input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: int | None = None) -> Tensor:
    shifted = input.float()
    if zero_point is not None:
        shifted = shifted - _along(zero_point, input, axis)
    return shifted * _along(scale, input, axis)


@register("constexpr_affine_dequantize")
def constexpr_affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int) -> Tensor:
    return dequantize(quantized_data, scale, zero_point, axis)


@register("constexpr_blockwise_shift_scale")
def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    shifted = data.float()
    if offset is not None:
        shifted = shifted - _per_element(offset, data)
    return shifted * _per_element(scale, data)


@register("constexpr_cast")
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    return source_val


@register("constexpr_lut_to_dense", rounds=False)
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, shape: list[int] | None = None, vector_axis: int | None = None
) -> Tensor:
    if shape is not None:  # iOS16: one table, indices packed into bytes
        bits = int(math.log2(lut.numel()))
        return lut[_unpack_bits(indices, bits, math.prod(shape))].reshape(shape)
    # iOS18: lut is [a table per block of indices..., palette entry, element of a vector].
    tables = lut
    for axis, size in enumerate(indices.shape):
        tables = tables.repeat_interleave(size // lut.shape[axis], axis)
    chosen = indices.long().reshape(*indices.shape, 1, 1).expand(*indices.shape, 1, lut.shape[-1])
    vectors = tables.gather(-2, chosen).squeeze(-2)
    if lut.shape[-1] == 1:
        return vectors.squeeze(-1)
    if vector_axis is None:
        raise InputError("a table of vectors has no vector_axis; it must be given where lut's last size is above 1")
    vector_axis %= indices.ndim
    return vectors.movedim(-1, vector_axis + 1).flatten(vector_axis, vector_axis + 1)


@register("constexpr_sparse_to_dense", rounds=False)
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: list[int] | None = None) -> Tensor:
    if shape is not None:  # iOS16 packs the mask into bytes
        mask = _unpack_bits(mask, 1, math.prod(shape)).reshape(shape)
    dense = torch.zeros(mask.shape, dtype=nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


@register("constexpr_lut_to_sparse", rounds=False)
def constexpr_lut_to_sparse(
    indices_mask: Tensor, indices_nonzero_data: Tensor, lut: Tensor, vector_axis: int | None = None
) -> tuple[Tensor, Tensor]:
    indices = constexpr_sparse_to_dense(indices_nonzero_data, indices_mask)
    dense = constexpr_lut_to_dense(indices, lut, vector_axis=vector_axis)
    mask = indices_mask
    if lut.shape[-1] > 1:
        mask = mask.repeat_interleave(lut.shape[-1], vector_axis)
    return mask, dense[mask != 0]


@register("constexpr_sparse_blockwise_shift_scale")
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    dense = constexpr_blockwise_shift_scale(constexpr_sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask != 0]


def _along(parameter: Tensor, x: Tensor, axis: int | None) -> Tensor:
    """A scale or zero point as float, one value for all or one for each position along an axis."""
    parameter = parameter.float()
    if parameter.ndim == 0:
        return parameter
    if axis is None:
        raise InputError("a scale or zero point of several values has no axis; it must be given")
    return parameter.reshape([-1 if dimension == axis % x.ndim else 1 for dimension in range(x.ndim)])


def _per_element(parameter: Tensor, data: Tensor) -> Tensor:
    """A parameter given for each block of data, repeated over the block."""
    parameter = parameter.float()
    for axis, size in enumerate(data.shape):
        if parameter.shape[axis] not in (1, size):
            parameter = parameter.repeat_interleave(size // parameter.shape[axis], axis)
    return parameter


def _unpack_bits(packed: Tensor, bits: int, count: int) -> Tensor:
    """Unsigned integers of some bits each, packed from the least significant bit of every byte on."""
    flat = (packed.long().unsqueeze(-1) >> torch.arange(8)) & 1
    digits = flat.reshape(-1)[: count * bits].reshape(count, bits)
    return (digits << torch.arange(bits)).sum(-1)
