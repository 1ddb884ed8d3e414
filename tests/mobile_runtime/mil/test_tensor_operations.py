import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

RANDOM = np.random.default_rng(3)
POSITIVE = RANDOM.uniform(0.5, 2, (2, 3, 4)).astype(np.float32)
INTEGERS = RANDOM.integers(-9, 9, (3, 4)).astype(np.int32)
WEIGHT, BIAS = (RANDOM.standard_normal(shape).astype(np.float32) for shape in ((5, 4), (5,)))
TIES = np.float32([[3, 1, 3, 2, 1], [0, 0, 5, 5, 5]])
MASK = np.array([[True, False, True, True, False]] * 3)


def t(array):
    return torch.from_numpy(np.array(array))


def reduction(operation_type, expect, x=(2, 3, 4)):
    """expect(x, axes, keep): the reduction over positive axes."""

    def build(**attributes):
        return lambda mb, x: getattr(mb, operation_type)(x=x, **attributes)

    return [
        (build(axes=[1]), {"x": x}, lambda x: expect(x, [1], False)),
        (build(axes=[-1, 0], keep_dims=True), {"x": x}, lambda x: expect(x, [0, 2], True)),
        (build(), {"x": x}, lambda x: expect(x, [0, 1, 2], False)),
    ]


def by_numpy(function, x, axes, keep):
    return function(x.double().numpy(), axis=tuple(axes), keepdims=keep)


def one(operation_type, expect, x, **attributes):
    return (lambda mb, x: getattr(mb, operation_type)(x=x, **attributes), {"x": x}, expect)


def matrix_product(x, y):
    """By its definition, as a sum of single products."""
    return (x[..., :, :, None] * y[..., None, :, :]).sum(-2)


def attention(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def shuffled(x, factor):
    """Each output pixel picked from its channel: rows of a block vary slower than its columns."""
    batch, channels, height, width = x.shape
    out = torch.empty(batch, channels // factor**2, height * factor, width * factor)
    for row in range(factor):
        for column in range(factor):
            out[:, :, row::factor, column::factor] = x[:, row * factor + column :: factor**2]
    return out


def unshuffled(x, factor):
    """Channel c * factor^2 + row * factor + column holds that pixel of each block of channel c."""
    pixels = [x[:, :, row::factor, column::factor] for row in range(factor) for column in range(factor)]
    return torch.stack(pixels, 2).flatten(1, 2)


def block_rows(x, block):
    """TensorFlow's depth_to_space, written for one image with channels last."""
    height, width, depth = x.shape
    x = x.reshape(height, width, block, block, depth // block**2).permute(0, 2, 1, 3, 4)
    return x.reshape(height * block, width * block, -1)


CASES = {
    "reduce_mean": reduction("reduce_mean", lambda x, a, k: x.sum(a, keepdim=k) / math.prod(x.shape[i] for i in a)),
    "reduce_sum": [
        *reduction("reduce_sum", lambda x, a, k: by_numpy(np.sum, x, a, k)),
        one("reduce_sum", lambda x: x.sum(1), INTEGERS, axes=[1]),
    ],
    "reduce_max": reduction("reduce_max", lambda x, a, k: by_numpy(np.max, x, a, k)),
    "reduce_min": reduction("reduce_min", lambda x, a, k: by_numpy(np.min, x, a, k)),
    "reduce_prod": reduction("reduce_prod", lambda x, a, k: x.log().sum(a, keepdim=k).exp(), POSITIVE),
    "reduce_l1_norm": reduction("reduce_l1_norm", lambda x, a, k: torch.linalg.vector_norm(x, 1, a, k)),
    "reduce_l2_norm": reduction("reduce_l2_norm", lambda x, a, k: torch.linalg.vector_norm(x, 2, a, k)),
    "reduce_sum_square": reduction("reduce_sum_square", lambda x, a, k: by_numpy(np.sum, x * x, a, k)),
    "reduce_log_sum": reduction("reduce_log_sum", lambda x, a, k: np.log(by_numpy(np.sum, x, a, k)), POSITIVE),
    # Large numbers: exp alone would overflow.
    "reduce_log_sum_exp": reduction(
        "reduce_log_sum_exp", lambda x, a, k: x.double().exp().sum(a, keepdim=k).log().float(), 80 * POSITIVE
    ),
    "reduce_argmax": [
        one("reduce_argmax", lambda x: x.numpy().argmax(-1), (3, 5)),
        one("reduce_argmax", lambda x: x.numpy().argmax(0, keepdims=True), (3, 5), axis=0, keep_dims=True),
        one("reduce_argmax", lambda x: x.numpy().argmax(1), (3, 5), axis=1, output_dtype="uint16"),
    ],
    "reduce_argmin": [
        one("reduce_argmin", lambda x: x.numpy().argmin(-1), (3, 5)),
        one("reduce_argmin", lambda x: x.numpy().argmin(0), (3, 5), axis=0),
        one("reduce_argmin", lambda x: x.numpy().argmin(1, keepdims=True), (3, 5), axis=1, keep_dims=True),
        one("reduce_argmin", lambda x: x.numpy().argmin(1), (3, 5), axis=1, output_dtype="uint16"),
    ],
    "linear": [
        one("linear", lambda x: matrix_product(x, t(WEIGHT.T)), (2, 3, 4), weight=WEIGHT),
        one("linear", lambda x: matrix_product(x, t(WEIGHT.T)) + t(BIAS), (3, 4), weight=WEIGHT, bias=BIAS),
    ],
    "matmul": [
        (lambda mb, x, y: mb.matmul(x=x, y=y), {"x": (2, 3, 4), "y": (4, 5)}, matrix_product),
        (
            lambda mb, x, y: mb.matmul(x=x, y=y, transpose_x=True),
            {"x": (2, 4, 3), "y": (2, 4, 5)},
            lambda x, y: matrix_product(x.mT, y),
        ),
        (
            lambda mb, x, y: mb.matmul(x=x, y=y, transpose_y=True),
            {"x": (2, 3, 4), "y": (2, 5, 4)},
            lambda x, y: matrix_product(x, y.mT),
        ),
        (
            lambda mb, x, y: mb.matmul(x=x, y=y, transpose_x=True, transpose_y=True),
            {"x": (4, 3), "y": (5, 4)},
            lambda x, y: matrix_product(y, x).T,
        ),
        (lambda mb, x, y: mb.matmul(x=x, y=y), {"x": (4,), "y": (4, 5)}, lambda x, y: (x[:, None] * y).sum(0)),
    ],
    "einsum": [
        (
            lambda mb, x, y: mb.einsum(values=(x, y), equation="nchw,nwhr->nchr"),
            {"x": (1, 2, 3, 4), "y": (1, 4, 3, 5)},
            lambda x, y: (x.permute(0, 2, 1, 3) @ y.permute(0, 2, 1, 3)).permute(0, 2, 1, 3),
        ),
        (
            lambda mb, x, y: mb.einsum(values=(x, y), equation="chw,whr->chr"),
            {"x": (2, 3, 4), "y": (4, 3, 5)},
            lambda x, y: (x.permute(1, 0, 2) @ y.permute(1, 0, 2)).permute(1, 0, 2),
        ),
    ],
    "scaled_dot_product_attention": [
        (
            lambda mb, q, k, v: mb.scaled_dot_product_attention(query=q, key=k, value=v),
            {"q": (2, 3, 8), "k": (2, 5, 8), "v": (2, 5, 6)},
            attention,
        ),
        *(
            (
                lambda mb, q, k, v, m: mb.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=m),
                {"q": (2, 3, 8), "k": (2, 5, 8), "v": (2, 5, 6), "m": mask},
                attention,
            )
            for mask in (MASK, (3, 5))
        ),
    ],
    "reshape": [
        one("reshape", lambda x: x.reshape(4, 6), (2, 3, 4), shape=[4, -1]),
        one("reshape", lambda x: x.reshape(2, 12, 1), (2, 3, 4), shape=[0, 12, 1]),
        # Since iOS17 a zero copies the size at the same place counted from the right.
        one("reshape", lambda x: x.reshape(6, 4), (2, 3, 4), shape=[6, 0]),
    ],
    "reshape_like": [
        (
            lambda mb, x, y: mb.reshape_like(
                x=x, ref_tensors=(y, y), begins=(0, 2), ends=(2, 9), end_masks=(False, True)
            ),
            {"x": (6, 4), "y": (2, 3, 4)},
            lambda x, y: x.reshape(2, 3, 4),
        ),
        (
            lambda mb, x, y: mb.reshape_like(
                x=x, ref_tensors=(y, y), begins=(1, 0), ends=(3, 1), end_masks=(False, False)
            ),
            {"x": (6, 4), "y": (2, 3, 4)},
            lambda x, y: x.reshape(3, 4, 2),
        ),
    ],
    "flatten2d": [
        one("flatten2d", lambda x: x.reshape(2, 12), (2, 3, 4)),
        one("flatten2d", lambda x: x.reshape(6, 4), (2, 3, 4), axis=-1),
    ],
    "expand_dims": [
        one("expand_dims", lambda x: x[None, :, :, None], (2, 3), axes=[-1, 0]),
        one("expand_dims", lambda x: x[:, None], (2, 3), axes=[1]),
    ],
    "squeeze": [
        one("squeeze", lambda x: x[0, :, 0], (1, 3, 1)),
        one("squeeze", lambda x: x[:, :, 0], (1, 3, 1), axes=[-1]),
    ],
    "transpose": [
        one("transpose", lambda x: x.permute(2, 0, 1), (2, 3, 4), perm=[-1, 0, 1]),
        one("transpose", lambda x: x.permute(0, 2, 3, 1), (1, 2, 3, 4), perm=[0, 2, 3, 1]),
    ],
    "concat": [
        (
            lambda mb, x, y: mb.concat(values=(x, y), axis=-2),
            {"x": (2, 3, 4), "y": (2, 1, 4)},
            lambda x, y: np.concatenate([x, y], 1),
        ),
        (
            lambda mb, x, y: mb.concat(values=(x, y), axis=0, interleave=True),
            {"x": (3, 2), "y": (3, 2)},
            lambda x, y: torch.stack([x[0], y[0], x[1], y[1], x[2], y[2]]),
        ),
        (
            lambda mb, x: mb.concat(values=(x, np.ones((2, 1), np.float32)), axis=1),
            {"x": (2, 3)},
            lambda x: torch.cat([x, torch.ones(2, 1)], 1),
        ),
    ],
    "stack": [
        (
            lambda mb, x, y, axis=axis: mb.stack(values=(x, y), axis=axis),
            {"x": (2, 3), "y": (2, 3)},
            lambda x, y, axis=axis: np.stack([x, y], axis),
        )
        for axis in (0, 1, -1)
    ],
    "split": [
        one("split", lambda x: (x[:, :2], x[:, 2:4], x[:, 4:]), (2, 6), num_splits=3, axis=1),
        one("split", lambda x: (x[:, :1], x[:, 1:3], x[:, 3:]), (2, 6), split_sizes=[1, 2, 3], axis=-1),
    ],
    "tile": [
        one("tile", lambda x: np.tile(x, (2, 3)), (2, 4), reps=[2, 3]),
        one("tile", lambda x: torch.cat([x, x], 1), (2, 4), reps=[1, 2]),
    ],
    "reverse": [
        one("reverse", lambda x: x.numpy()[::-1, :, ::-1].copy(), (2, 3, 4), axes=[0, -1]),
        one("reverse", lambda x: x.numpy()[::-1, ::-1, ::-1].copy(), (2, 3, 4)),
    ],
    "pad": [
        one("pad", lambda x: np.pad(x, ((0, 0), (1, 2), (3, 4))), (2, 3, 4), pad=[1, 2, 3, 4]),
        one(
            "pad",
            lambda x: np.pad(x, ((0, 0), (0, 0), (0, 1)), constant_values=7.0),
            (2, 3, 4),
            pad=[0, 1],
            constant_val=7.0,
        ),
        one(
            "pad",
            lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (3, 2)), mode="reflect"),
            (1, 2, 4, 5),
            pad=[0] * 4 + [1, 0, 3, 2],
            mode="reflect",
        ),
        one("pad", lambda x: np.pad(x, ((0, 0), (3, 2)), mode="edge"), (4, 5), pad=[3, 2], mode="replicate"),
        # Rank 2, both dimensions: torch alone would refuse.
        one(
            "pad",
            lambda x: x[[0, 0, 1, 2, 2]][:, [0, 0, 0, 1, 2, 3]],
            (3, 4),
            pad=[1, 1, 2, 0],
            mode="replicate",
        ),
    ],
    "crop": [
        one("crop", lambda x: x[:, :, 1:-2, 3:], (1, 2, 6, 7), crop_height=[1, 2], crop_width=[3, 0]),
        one("crop", lambda x: x[:, :, :-1, 1:-1], (1, 2, 6, 7), crop_height=[0, 1], crop_width=[1, 1]),
    ],
    "pixel_shuffle": [
        one("pixel_shuffle", lambda x: shuffled(x, 2), (1, 8, 3, 4), upscale_factor=2),
        one("pixel_shuffle", lambda x: shuffled(x, 3), (1, 9, 3, 4), upscale_factor=3),
    ],
    "pixel_unshuffle": [
        one("pixel_unshuffle", lambda x: unshuffled(x, 2), (1, 2, 4, 6), downscale_factor=np.uint32(2)),
        one("pixel_unshuffle", lambda x: unshuffled(x, 3), (1, 2, 3, 6), downscale_factor=np.uint32(3)),
    ],
    "depth_to_space": [
        one(
            "depth_to_space",
            lambda x, block=block: block_rows(x[0].permute(1, 2, 0), block).permute(2, 0, 1)[None],
            (1, 2 * block**2, 3, 4),
            block_size=block,
        )
        for block in (2, 3)
    ],
    "space_to_depth": [
        (
            lambda mb, x: mb.depth_to_space(x=mb.space_to_depth(x=x, block_size=2), block_size=2),
            {"x": (2, 3, 4, 6)},
            lambda x: x,
        ),
        # Channels of one block: its positions in reading order, all input channels at each.
        one("space_to_depth", lambda x: x[0].permute(1, 2, 0).reshape(1, 12, 1, 1), (1, 3, 2, 2), block_size=2),
        one("space_to_depth", lambda x: x[0].permute(1, 2, 0).reshape(1, 27, 1, 1), (1, 3, 3, 3), block_size=3),
    ],
    "sliding_windows": [
        one(
            "sliding_windows",
            lambda x: torch.stack([x[:, 0:3], x[:, 2:5]], 1),
            (2, 6, 4),
            axis=1,
            size=3,
            stride=2,
        ),
        one(
            "sliding_windows",
            lambda x: torch.stack([x[..., i : i + 2] for i in range(3)], -2),
            (2, 3, 4),
            axis=-1,
            size=2,
        ),
    ],
    "shape": [one("shape", lambda x: torch.tensor([2, 3, 4]), (2, 3, 4))],
    "fill": [
        (
            lambda mb, x: mb.fill(shape=mb.shape(x=x), value=3.0),
            {"x": (2, 3)},
            lambda x: torch.full((2, 3), 3.0),
        ),
        (lambda mb, x: mb.fill(shape=mb.shape(x=x)), {"x": (2, 3)}, torch.zeros_like),
        (lambda mb, x: mb.add(x=x, y=mb.fill(shape=[2, 3], value=1.5)), {"x": (2, 3)}, lambda x: x + 1.5),
    ],
    "fill_like": [
        (lambda mb, x: mb.fill_like(ref_tensor=x, value=2), {"x": (2, 3)}, lambda x: torch.full((2, 3), 2)),
        (lambda mb, x: mb.fill_like(ref_tensor=x, value=True), {"x": (4,)}, lambda x: torch.ones(4, dtype=torch.bool)),
    ],
    "topk": [
        one("topk", lambda x: (x.amax(-1, True), x.argmax(-1, True)), (3, 5)),
        one("topk", lambda x: (np.sort(x, 0)[:2], np.argsort(x, 0)[:2]), (5, 3), k=2, axis=0, ascending=True),
        one("topk", lambda x: np.sort(x, -1)[:, :-4:-1].copy(), (3, 5), k=3, return_indices=False),
        # Unsorted leaves the order open: sorted is one of those allowed.
        one("topk", lambda x: np.sort(x, -1)[:, :-3:-1].copy(), (3, 5), k=2, sort=False, return_indices=False),
        # Ties come in index order.
        one(
            "topk",
            lambda x: (torch.tensor([[3.0, 3, 2], [5, 5, 5]]), torch.tensor([[0, 2, 3], [2, 3, 4]])),
            TIES,
            k=3,
            output_indices_dtype="uint16",
        ),
    ],
    "argsort": [
        one("argsort", lambda x: np.argsort(-x.numpy(), -1), (3, 5)),
        one("argsort", lambda x: np.argsort(x.numpy(), 0), (5, 3), axis=0, ascending=True),
        one("argsort", lambda x: torch.tensor([[0, 2, 3, 1, 4], [2, 3, 4, 0, 1]]), TIES),
    ],
    "cumsum": [
        one("cumsum", lambda x: np.cumsum(x.numpy(), 0), (3, 4)),
        one("cumsum", lambda x: np.cumsum(x.numpy(), 1) - x.numpy(), (3, 4), axis=1, exclusive=True),
        one("cumsum", lambda x: x.sum(1, keepdim=True) - x.cumsum(1) + x, (3, 4), axis=1, reverse=True),
        one("cumsum", lambda x: x.sum(1, keepdim=True) - x.cumsum(1), (3, 4), axis=1, reverse=True, exclusive=True),
    ],
    "band_part": [
        one("band_part", lambda x: x, (2, 4, 5)),
        one("band_part", np.tril, (2, 4, 5), upper=0),
        one("band_part", lambda x: np.triu(np.tril(x, 2), -1), (4, 5), lower=1, upper=2),
    ],
    "one_hot": [
        (
            lambda mb, i: mb.one_hot(indices=i, one_hot_vector_size=4),
            {"i": np.int32([[0, 3], [2, 1]])},
            lambda i: np.eye(4)[i],
        ),
        (
            lambda mb, i: mb.one_hot(indices=i, one_hot_vector_size=3, axis=0, on_value=2.0, off_value=-1.0),
            {"i": np.int32([0, 2])},
            lambda i: torch.tensor([[2.0, -1], [-1, -1], [-1, 2]]),
        ),
    ],
    "range_1d": [
        (
            lambda mb, e: mb.range_1d(start=1.0, end=mb.squeeze(x=e), step=0.5),
            {"e": np.float32([3.0])},
            lambda e: torch.tensor([1, 1.5, 2, 2.5]),
        ),
        (
            lambda mb, e: mb.range_1d(start=5, end=mb.squeeze(x=e), step=-2),
            {"e": np.int32([0])},
            lambda e: torch.tensor([5, 3, 1]),
        ),
    ],
    "non_zero": [one("non_zero", lambda x: torch.tensor([[0, 1], [0, 2], [1, 0]]), np.float32([[0, 1, 2], [3, 0, 0]]))],
}


@pytest.mark.parametrize(
    ("operation_type", "case"),
    [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_operation_computes_its_definition(operation_type, case, agree):
    agree(operation_type, *case)
