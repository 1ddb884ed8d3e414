"""Quantization, compressed constants and state."""

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import types
from torch.ao.quantization.fx._decomposed import quantized_decomposed_lib  # noqa: F401

RANDOM = np.random.default_rng(11)
INT8 = RANDOM.integers(-128, 128, (3, 4)).astype(np.int8)
UINT8 = RANDOM.integers(0, 256, (3, 4)).astype(np.uint8)
ROW_SCALES = np.float32([0.5, 0.25, 2.0])
ROW_ZEROS = np.int8([1, -2, 3])
# Halves and values far outside the range: rounding to even and saturation.
EDGES = np.float32([[0.25, -0.25, 0.75, 1.25], [-0.75, 1000, -1000, 0], [0.1, 0.2, 0.3, -0.4]])


def t(array):
    return torch.from_numpy(np.array(array))


def narrow(array, element_type):
    return array.astype(types.nptype_from_builtin(element_type))


def weight(build, dense):
    """A compressed constant is seen through the sum with an input."""
    return (lambda mb, x: mb.add(x=x, y=build(mb)), {"x": dense.shape}, lambda x: x + t(dense))


def packed(values, bits):
    digits = (values.reshape(-1, 1) >> np.arange(bits)) & 1
    return np.packbits(digits.astype(np.uint8).reshape(-1), bitorder="little")


# Scales as quantization-aware training leaves them, fp16 numbers; and every half step between two integers, beyond
# the range too, where dividing and multiplying by the reciprocal round apart.
ODD_SCALES = np.float16([0.1, 0.0271, 1 / 3, 0.0078]).astype(np.float32)
ODD_ZEROS = np.int8([7, 0, 3, 100])
TIES = (np.arange(-300, 300, dtype=np.float32)[:, None] + np.float32(0.5)) * ODD_SCALES
RANGES = {"int8": (-128, 127), "uint8": (0, 255)}

TABLE = np.float32([-1.0, -0.25, 0.5, 2.0])
CODES = RANDOM.integers(0, 4, (2, 6)).astype(np.uint8)
ROW_TABLES = np.stack([TABLE, -3 * TABLE])
VECTORS = RANDOM.standard_normal((4, 3)).astype(np.float32)
KEPT = np.array([[1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 1, 1]], np.uint8)
NONZERO = RANDOM.standard_normal(6).astype(np.float32)
SPARSE = np.zeros((2, 6), np.float32)
SPARSE[KEPT != 0] = NONZERO
BLOCK_SCALES = np.float32([[0.5, 2.0], [1.0, 0.25]])
INT8_BLOCKS = RANDOM.integers(-128, 128, (2, 6)).astype(np.int8)
BLOCK_OFFSETS = np.int8([[1, 2], [-3, 4]])
INT4 = RANDOM.integers(-8, 8, (4, 6)).astype(np.int8)

CASES = {
    "quantize": [
        (
            lambda mb, x: mb.quantize(input=x, scale=np.float32(0.5), output_dtype="int8"),
            {"x": EDGES},
            lambda x: torch.tensor([[0, 0, 2, 2], [-2, 127, -128, 0], [0, 0, 1, -1]]),
        ),
        (
            lambda mb, x: mb.quantize(input=x, scale=np.float32(0.5), zero_point=np.uint8(128), output_dtype="uint8"),
            {"x": EDGES},
            lambda x: torch.tensor([[128, 128, 130, 130], [126, 255, 0, 128], [128, 128, 129, 127]]),
        ),
        (
            lambda mb, x: mb.quantize(input=x, scale=ROW_SCALES, zero_point=ROW_ZEROS, axis=0, output_dtype="int8"),
            {"x": (3, 4)},
            lambda x: torch.round(x / t(ROW_SCALES)[:, None]) + t(ROW_ZEROS)[:, None],
        ),
        *(
            (
                lambda mb, x, kind=kind: mb.quantize(
                    input=x, scale=ODD_SCALES, zero_point=ODD_ZEROS.astype(kind), axis=-1, output_dtype=kind
                ),
                {"x": TIES},
                lambda x, kind=kind: torch.ops.quantized_decomposed.quantize_per_channel(
                    x, t(ODD_SCALES), t(ODD_ZEROS).long(), 1, *RANGES[kind], getattr(torch, kind)
                ),
            )
            for kind in RANGES
        ),
        *(
            (
                lambda mb, x, kind=kind: mb.quantize(
                    input=x, scale=ODD_SCALES[0], zero_point=getattr(np, kind)(7), output_dtype=kind
                ),
                {"x": TIES},
                lambda x, kind=kind: torch.ops.quantized_decomposed.quantize_per_tensor(
                    x, float(ODD_SCALES[0]), 7, *RANGES[kind], getattr(torch, kind)
                ),
            )
            for kind in RANGES
        ),
    ],
    "dequantize": [
        (
            lambda mb, x: mb.dequantize(input=x, scale=np.float32(0.5)),
            {"x": INT8},
            lambda x: x.float() * 0.5,
        ),
        (
            lambda mb, x: mb.dequantize(input=x, scale=np.float32(0.5), zero_point=np.uint8(128)),
            {"x": UINT8},
            lambda x: (x.float() - 128) * 0.5,
        ),
        (
            lambda mb, x: mb.dequantize(input=x, scale=ROW_SCALES, zero_point=ROW_ZEROS, axis=-2),
            {"x": INT8},
            lambda x: (x.float() - t(ROW_ZEROS).reshape(3, 1)) * t(ROW_SCALES).reshape(3, 1),
        ),
        (
            lambda mb, x: mb.dequantize(input=x, scale=ODD_SCALES, zero_point=ODD_ZEROS, axis=1),
            {"x": INT8},
            lambda x: torch.ops.quantized_decomposed.dequantize_per_channel(
                x, t(ODD_SCALES), t(ODD_ZEROS).long(), 1, -128, 127, torch.int8
            ),
        ),
    ],
    "constexpr_affine_dequantize": [
        weight(
            lambda mb: mb.constexpr_affine_dequantize(
                quantized_data=INT8, zero_point=ROW_ZEROS, scale=ROW_SCALES, axis=0
            ),
            (INT8 - ROW_ZEROS[:, None].astype(np.float32)) * ROW_SCALES[:, None],
        ),
        weight(
            lambda mb: mb.constexpr_affine_dequantize(
                quantized_data=UINT8, zero_point=np.uint8(100), scale=np.float32(0.5), axis=1
            ),
            (UINT8 - np.float32(100)) * np.float32(0.5),
        ),
    ],
    "constexpr_cast": [
        weight(
            lambda mb: mb.constexpr_cast(source_val=NONZERO.astype(np.float16), output_dtype="fp32"),
            NONZERO.astype(np.float16).astype(np.float32),
        )
    ],
    "constexpr_blockwise_shift_scale": [
        weight(
            lambda mb: mb.constexpr_blockwise_shift_scale(data=INT8, scale=ROW_SCALES[:, None]),
            INT8 * ROW_SCALES[:, None],
        ),
        weight(
            lambda mb: mb.constexpr_blockwise_shift_scale(data=INT8_BLOCKS, scale=BLOCK_SCALES, offset=BLOCK_OFFSETS),
            (INT8_BLOCKS - BLOCK_OFFSETS.repeat(3, 1).astype(np.float32)) * BLOCK_SCALES.repeat(3, 1),
        ),
        weight(
            lambda mb: mb.constexpr_blockwise_shift_scale(data=narrow(CODES, types.uint4), scale=BLOCK_SCALES),
            CODES * BLOCK_SCALES.repeat(3, 1),
        ),
        # Signed half bytes, an offset of their own type, blocks along both axes.
        weight(
            lambda mb: mb.constexpr_blockwise_shift_scale(
                data=narrow(INT4, types.int4), scale=BLOCK_SCALES, offset=narrow(INT4[::2, ::3], types.int4)
            ),
            (INT4 - INT4[::2, ::3].repeat(2, 0).repeat(3, 1).astype(np.float32))
            * BLOCK_SCALES.repeat(2, 0).repeat(3, 1),
        ),
    ],
    "constexpr_lut_to_dense": [
        (
            *weight(
                lambda mb: mb.constexpr_lut_to_dense(indices=packed(CODES, 2), lut=TABLE, shape=np.uint32([2, 6])),
                TABLE[CODES],
            ),
            {"opset": ct.target.iOS16},
        ),
        weight(
            lambda mb: mb.constexpr_lut_to_dense(
                indices=narrow(CODES, types.uint2), lut=ROW_TABLES.reshape(2, 1, 4, 1)
            ),
            np.stack([ROW_TABLES[row][CODES[row]] for row in range(2)]),
        ),
        weight(
            lambda mb: mb.constexpr_lut_to_dense(
                indices=narrow(CODES, types.uint2), lut=VECTORS.reshape(1, 1, 4, 3), vector_axis=1
            ),
            VECTORS[CODES].reshape(2, 18),
        ),
        weight(
            lambda mb: mb.constexpr_lut_to_dense(
                indices=narrow(CODES, types.uint2), lut=VECTORS.reshape(1, 1, 4, 3), vector_axis=0
            ),
            VECTORS[CODES].transpose(0, 2, 1).reshape(6, 6),
        ),
    ],
    "constexpr_sparse_to_dense": [
        (
            *weight(
                lambda mb: mb.constexpr_sparse_to_dense(
                    nonzero_data=NONZERO, mask=packed(KEPT, 1), shape=np.uint32([2, 6])
                ),
                SPARSE,
            ),
            {"opset": ct.target.iOS16},
        ),
        weight(
            lambda mb: mb.constexpr_sparse_to_dense(nonzero_data=NONZERO, mask=narrow(KEPT, types.uint1)),
            SPARSE,
        ),
    ],
    "constexpr_lut_to_sparse": [
        weight(
            lambda mb: _dense(
                mb,
                mb.constexpr_lut_to_sparse(
                    indices_mask=narrow(KEPT, types.uint1),
                    indices_nonzero_data=narrow(CODES[KEPT != 0], types.uint2),
                    lut=TABLE.reshape(1, 1, 4, 1),
                ),
            ),
            np.where(KEPT != 0, TABLE[CODES], np.float32(0)),
        ),
        weight(
            lambda mb: _dense(
                mb,
                mb.constexpr_lut_to_sparse(
                    indices_mask=narrow(KEPT, types.uint1),
                    indices_nonzero_data=narrow(CODES[KEPT != 0], types.uint2),
                    lut=VECTORS.reshape(1, 1, 4, 3),
                    vector_axis=0,
                ),
            ),
            np.where(KEPT.repeat(3, 0) != 0, VECTORS[CODES].transpose(0, 2, 1).reshape(6, 6), np.float32(0)),
        ),
    ],
    "constexpr_sparse_blockwise_shift_scale": [
        weight(
            lambda mb: _dense(
                mb,
                mb.constexpr_sparse_blockwise_shift_scale(
                    data_mask=narrow(KEPT, types.uint1),
                    nonzero_data=INT8_BLOCKS[KEPT != 0],
                    scale=BLOCK_SCALES,
                ),
            ),
            np.where(KEPT != 0, INT8_BLOCKS * BLOCK_SCALES.repeat(3, 1), np.float32(0)),
        ),
        weight(
            lambda mb: _dense(
                mb,
                mb.constexpr_sparse_blockwise_shift_scale(
                    data_mask=narrow(KEPT, types.uint1),
                    nonzero_data=INT8_BLOCKS[KEPT != 0],
                    scale=BLOCK_SCALES,
                    offset=BLOCK_OFFSETS,
                ),
            ),
            np.where(
                KEPT != 0,
                (INT8_BLOCKS - BLOCK_OFFSETS.repeat(3, 1).astype(np.float32)) * BLOCK_SCALES.repeat(3, 1),
                np.float32(0),
            ),
        ),
    ],
}


def _dense(mb, sparse):
    mask, nonzero = sparse
    return mb.constexpr_sparse_to_dense(nonzero_data=nonzero, mask=mask)


@pytest.mark.parametrize(
    ("operation_type", "case"),
    [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_operation_computes_its_definition(operation_type, case, agree):
    build, arrays, expect, *options = case
    agree(operation_type, build, arrays, expect, **(options[0] if options else {}))


def accumulate(mb, x, total):
    updated = mb.add(x=mb.read_state(input=total), y=x)
    return mb.coreml_update_state(state=total, value=updated)


CASES["read_state"] = CASES["coreml_update_state"] = [accumulate]


@pytest.fixture
def accumulator(mil_program):
    ones = np.ones((2, 3), np.float16)
    return mil_program(accumulate, {"x": ones}, states={"total": ones})


def test_a_state_starts_at_zero_and_lasts_from_run_to_run(accumulator):
    sums = [next(iter(accumulator.run(x=np.ones((2, 3), np.float16)).values()))[0, 0] for _ in range(3)]
    assert sums == [1, 2, 3]


def test_a_state_is_no_input(accumulator):
    assert list(accumulator.inputs) == ["x"]
