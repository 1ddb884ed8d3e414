import numpy as np
import pytest
import torch
import torch.nn.functional as F

RANDOM = np.random.default_rng(7)


def weight(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


W1, W2, W3 = weight(6, 4, 3), weight(6, 4, 3, 3), weight(6, 4, 3, 2, 2)
EVEN, GROUPED, BIAS = weight(6, 4, 4, 2), weight(6, 2, 3, 3), weight(6)
T1, T2, T3, TGROUPED = weight(4, 6, 3), weight(4, 6, 3, 4), weight(4, 6, 2, 3, 2), weight(4, 3, 3, 3)
T22 = weight(4, 6, 2, 2)


def t(array):
    return torch.from_numpy(array)


def conv(expect, x=(2, 4, 9, 8), weight=W2, **attributes):
    return (lambda mb, x: mb.conv(x=x, weight=weight, **attributes), {"x": x}, expect)


def transposed(expect, x=(2, 4, 5, 6), weight=T2, **attributes):
    return (lambda mb, x: mb.conv_transpose(x=x, weight=weight, **attributes), {"x": x}, expect)


def pool(operation_type, expect, x=(2, 3, 9, 8), **attributes):
    return (lambda mb, x: getattr(mb, operation_type)(x=x, **attributes), {"x": x}, expect)


def resized(operation_type, expect, x=(2, 3, 4, 6), **attributes):
    return (lambda mb, x: getattr(mb, operation_type)(x=x, **attributes), {"x": x}, expect)


def interpolated(size, align_corners):
    return lambda x: F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


def sampled(rows, columns):
    """Bilinear samples at given positions, weighted by distance: a definition that needs no interpolate."""

    def along(x, axis, positions):
        slots = torch.arange(x.shape[axis], dtype=torch.float32)
        positions = torch.tensor(positions).clamp(0, x.shape[axis] - 1)
        tent = (1 - (positions[:, None] - slots[None]).abs()).clamp(min=0)
        return torch.tensordot(x, tent.T, dims=([axis], [0])).movedim(-1, axis)

    return lambda x: along(along(x, x.ndim - 2, rows), x.ndim - 1, columns)


def normalized(x, axes, eps, gamma=None, beta=None, channel=1):
    """Mean and variance over axes taken out; gamma and beta along one axis."""
    shape = [-1 if axis == channel else 1 for axis in range(x.ndim)]
    mean = x.mean(axes, keepdim=True)
    result = (x - mean) / ((x - mean).square().mean(axes, keepdim=True) + eps).sqrt()
    return result if gamma is None else result * t(gamma).reshape(shape) + t(beta).reshape(shape)


def by_channel(array, x):
    return t(array).reshape(-1, *(1,) * (x.ndim - 2))


def response_normed(x, size, alpha, beta, k):
    """Each channel over a power of the squares of itself and its neighbours."""
    reach, channels = size // 2, x.shape[1]
    sums = [x[:, max(c - reach, 0) : c + reach + 1].square().sum(1) for c in range(channels)]
    return x / (k + alpha / size * torch.stack(sums, 1)) ** beta


def convolved(x, w):
    """A convolution without padding by its definition: a sum over the kernel's positions."""
    height, width = (size - kernel + 1 for size, kernel in zip(x.shape[2:], w.shape[2:], strict=True))
    return sum(
        torch.einsum("nchw,oc->nohw", x[:, :, i : i + height, j : j + width], w[:, :, i, j])
        for i in range(w.shape[2])
        for j in range(w.shape[3])
    )


def spread(x, w, stride):
    """A transposed convolution by its definition: each element adds the kernel, times itself, to the output."""
    height, width = ((size - 1) * stride + kernel for size, kernel in zip(x.shape[2:], w.shape[2:], strict=True))
    out = torch.zeros(x.shape[0], w.shape[1], height, width)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            added = torch.einsum("nc,cohw->nohw", x[:, :, i, j], w)
            out[:, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]] += added
    return out


def windows(x, kernel, stride):
    """All windows of a plane, without padding, by rows: (..., rows, columns, height, width)."""
    view = np.lib.stride_tricks.sliding_window_view(x.numpy(), kernel, axis=(-2, -1))
    return view[..., ::stride, ::stride, :, :]


LINE = np.float32([[[[0.0, 1.0]]]])

CASES = {
    "conv": [
        conv(lambda x: convolved(x, t(W2))),
        conv(lambda x: F.conv2d(x, t(W2), t(BIAS), stride=2), bias=BIAS, strides=[2, 2], pad_type="valid"),
        conv(lambda x: F.conv2d(x, t(W2), padding=(1, 2)), pad_type="custom", pad=[1, 1, 2, 2]),
        conv(lambda x: F.conv2d(F.pad(x, (3, 1, 0, 2)), t(W2)), pad_type="custom", pad=[0, 2, 3, 1]),
        conv(lambda x: F.conv2d(F.pad(x, (0, 1, 1, 1)), t(W2), stride=2), pad_type="same", strides=[2, 2]),
        conv(
            lambda x: F.conv2d(F.pad(x, (1, 0, 1, 1)), t(W2), stride=2),
            pad_type="same_lower",
            strides=[2, 2],
        ),
        conv(lambda x: F.conv2d(F.pad(x, (0, 1, 1, 2)), t(EVEN)), weight=EVEN, pad_type="same"),
        conv(lambda x: F.conv2d(F.pad(x, (1, 0, 2, 1)), t(EVEN)), weight=EVEN, pad_type="same_lower"),
        conv(lambda x: F.conv2d(x, t(W2), dilation=(2, 3)), dilations=[2, 3]),
        conv(lambda x: F.conv2d(x, t(W2), padding=(2, 3), dilation=(2, 3)), dilations=[2, 3], pad_type="same"),
        conv(lambda x: F.conv2d(x, t(GROUPED), groups=2), weight=GROUPED, groups=2),
        conv(lambda x: F.conv1d(x, t(W1), padding=1), x=(2, 4, 9), weight=W1, pad_type="same"),
        conv(lambda x: F.conv3d(x, t(W3)), x=(1, 4, 5, 6, 7), weight=W3),
        (
            lambda mb, x, w: mb.conv(x=x, weight=w),
            {"x": (1, 4, 5, 5), "w": (6, 4, 3, 3)},
            convolved,
        ),
    ],
    "conv_transpose": [
        transposed(lambda x: spread(x, t(T2), 1)),
        transposed(lambda x: F.conv_transpose2d(x, t(T2), t(BIAS), stride=2), bias=BIAS, strides=[2, 2]),
        transposed(lambda x: spread(x, t(T22), 2), weight=T22, strides=[2, 2]),
        transposed(
            lambda x: F.conv_transpose2d(x, t(T2), stride=2, padding=1),
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
        ),
        transposed(
            lambda x: F.conv_transpose2d(x, t(T2), stride=2)[:, :, 1:, 2:-1],
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 0, 2, 1],
        ),
        transposed(
            lambda x: F.conv_transpose2d(x, t(T2), t(BIAS), stride=3, padding=1, output_padding=1),
            bias=BIAS,
            strides=[3, 3],
            pad_type="custom",
            pad=[1, 1, 1, 1],
            output_shape=[2, 6, 14, 18],
        ),
        # 'same' gives input size times stride; of the 1 row and 2 columns too many, the odd one goes last.
        transposed(lambda x: F.conv_transpose2d(x, t(T2), stride=2)[:, :, :10, 1:13], strides=[2, 2], pad_type="same"),
        # A kernel smaller than the stride reaches no further: what is left is zero, and the bias.
        transposed(
            lambda x: F.pad(F.conv_transpose2d(x, t(T22), stride=3), (0, 1, 0, 1)) + t(BIAS).reshape(6, 1, 1),
            weight=T22,
            bias=BIAS,
            strides=[3, 3],
            pad_type="same",
        ),
        transposed(lambda x: F.conv_transpose2d(x, t(T2), dilation=2), dilations=[2, 2]),
        transposed(lambda x: F.conv_transpose2d(x, t(TGROUPED), groups=2), weight=TGROUPED, groups=2),
        transposed(lambda x: F.conv_transpose1d(x, t(T1), stride=2), x=(2, 4, 5), weight=T1, strides=[2]),
        transposed(lambda x: F.conv_transpose3d(x, t(T3)), x=(1, 4, 3, 4, 5), weight=T3),
    ],
    "avg_pool": [
        pool("avg_pool", lambda x: windows(x, (3, 2), 1).mean((-2, -1)), kernel_sizes=[3, 2], pad_type="valid"),
        pool(
            "avg_pool",
            lambda x: F.avg_pool2d(x, 3, 2, 1),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
        ),
        pool(
            "avg_pool",
            lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
            exclude_padding_from_average=True,
        ),
        pool(
            "avg_pool",
            lambda x: F.avg_pool2d(F.pad(x, (2, 0, 0, 1)), 3, 1),
            kernel_sizes=[3, 3],
            pad_type="custom",
            pad=[0, 1, 2, 0],
        ),
        pool(
            "avg_pool",
            lambda x: (
                F.avg_pool2d(F.pad(x, (2, 0, 0, 1)), 3, 1) / F.avg_pool2d(F.pad(torch.ones_like(x), (2, 0, 0, 1)), 3, 1)
            ),
            kernel_sizes=[3, 3],
            pad_type="custom",
            pad=[0, 1, 2, 0],
            exclude_padding_from_average=True,
        ),
        pool(
            "avg_pool",
            lambda x: F.avg_pool2d(F.pad(x, (0, 1, 1, 1)), 3, 2),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="same",
        ),
        pool(
            "avg_pool",
            lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
            x=(2, 3, 8, 10),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
            ceil_mode=True,
        ),
        pool("avg_pool", lambda x: F.avg_pool1d(x, 3, 1), x=(2, 3, 9), kernel_sizes=[3], pad_type="valid"),
        pool(
            "avg_pool",
            lambda x: F.avg_pool3d(x, 2, 1),
            x=(1, 3, 4, 5, 6),
            kernel_sizes=[2, 2, 2],
            pad_type="valid",
        ),
    ],
    "max_pool": [
        pool("max_pool", lambda x: windows(x, (3, 2), 1).max((-2, -1)), kernel_sizes=[3, 2], pad_type="valid"),
        pool(
            "max_pool",
            lambda x: F.max_pool2d(x, 3, 2, 1),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
        ),
        # Padding never wins, also where every element is negative.
        pool(
            "max_pool",
            lambda x: F.max_pool2d(F.pad(x, (0, 1, 1, 1), value=-torch.inf), 3, 2),
            x=-np.abs(weight(2, 3, 9, 8)),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="same",
        ),
        pool(
            "max_pool",
            lambda x: F.max_pool2d(F.pad(x, (1, 0, 1, 1), value=-torch.inf), 3, 2),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="same_lower",
        ),
        pool(
            "max_pool",
            lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
            x=(2, 3, 8, 10),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="valid",
            ceil_mode=True,
        ),
        pool(
            "max_pool",
            lambda x: F.max_pool1d(x, 3),
            x=(2, 3, 9),
            kernel_sizes=[3],
            strides=[3],
            pad_type="valid",
        ),
    ],
    "l2_pool": [
        pool(
            "l2_pool",
            lambda x: np.sqrt((windows(x, (3, 3), 2) ** 2).sum((-2, -1))),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="valid",
        ),
        pool(
            "l2_pool",
            lambda x: F.lp_pool2d(F.pad(x, (0, 1, 1, 1)), 2.0, 3, 2),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="same",
        ),
        pool(
            "l2_pool",
            lambda x: F.lp_pool2d(F.pad(x, (1, 2, 0, 1)), 2.0, (2, 3), (2, 1)),
            kernel_sizes=[2, 3],
            strides=[2, 1],
            pad_type="custom",
            pad=[0, 1, 1, 2],
        ),
        # The last windows hang over the end, where there is nothing to sum.
        pool(
            "l2_pool",
            lambda x: F.lp_pool2d(F.pad(x, (0, 1, 0, 1)), 2.0, 3, 2),
            x=(2, 3, 8, 10),
            kernel_sizes=[3, 3],
            strides=[2, 2],
            pad_type="valid",
            ceil_mode=True,
        ),
    ],
    "upsample_nearest_neighbor": [
        resized(
            "upsample_nearest_neighbor",
            lambda x: x.repeat_interleave(2, -2).repeat_interleave(3, -1),
            scale_factor_height=2,
            scale_factor_width=3,
        ),
        resized("upsample_nearest_neighbor", lambda x: x),
        resized(
            "upsample_nearest_neighbor",
            lambda x: F.interpolate(x, scale_factor=(2.5, 1.5), mode="nearest"),
            scale_factor_height=2.5,
            scale_factor_width=1.5,
        ),
        resized(
            "upsample_nearest_neighbor",
            lambda x: x.repeat_interleave(2, -2).repeat_interleave(2, -1),
            x=(3, 4, 5),
            scale_factor_height=2,
            scale_factor_width=2,
        ),
    ],
    "resize_nearest_neighbor": [
        resized(
            "resize_nearest_neighbor",
            lambda x, size=size: F.interpolate(x, size=size, mode="nearest"),
            target_size_height=size[0],
            target_size_width=size[1],
        )
        for size in ((8, 12), (7, 11), (3, 2))
    ],
    "upsample_bilinear": [
        resized("upsample_bilinear", interpolated((8, 18), True), scale_factor_height=2, scale_factor_width=3),
        resized(
            "upsample_bilinear",
            interpolated((8, 18), False),
            scale_factor_height=2,
            scale_factor_width=3,
            align_corners=False,
        ),
        # The scale is recomputed from the floored size.
        resized(
            "upsample_bilinear",
            interpolated((10, 16), False),
            scale_factor_height=2.6,
            scale_factor_width=2.7,
            align_corners=False,
        ),
        resized(
            "upsample_bilinear",
            sampled([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0], [0.0, 0.5, 1.0, 1.0]),
            x=(2, 3, 4, 2),
            scale_factor_height=2,
            scale_factor_width=2,
            align_corners=False,
            half_pixel_centers=False,
        ),
    ],
    # Positions from the operation's own documentation: a line [0, 1] sampled at 5 or 6 points.
    "resize_bilinear": [
        resized(
            "resize_bilinear",
            sampled([0.0], columns),
            x=LINE,
            target_size_height=1,
            target_size_width=len(columns),
            **mode,
        )
        for mode, columns in (
            ({"sampling_mode": "STRICT_ALIGN_CORNERS"}, [0.0, 0.25, 0.5, 0.75, 1.0]),
            ({"sampling_mode": "ALIGN_CORNERS"}, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            ({"sampling_mode": "STRICT_ALIGN_CORNERS"}, [0.0]),
            ({"sampling_mode": "ALIGN_CORNERS"}, [0.5]),
            ({"sampling_mode": "UNALIGN_CORNERS"}, [0.0, 0.1, 0.5, 0.9, 1.0]),
            ({"sampling_mode": "DEFAULT"}, [0.0, 0.4, 0.8, 1.0, 1.0]),
            ({}, [0.0, 1 / 3, 2 / 3, 1.0, 1.0, 1.0]),
            ({"sampling_mode": "OFFSET_CORNERS"}, [0.1, 0.3, 0.5, 0.7, 0.9]),
        )
    ]
    + [
        resized(
            "resize_bilinear",
            interpolated((7, 5), mode == "STRICT_ALIGN_CORNERS"),
            target_size_height=7,
            target_size_width=5,
            sampling_mode=mode,
        )
        for mode in ("STRICT_ALIGN_CORNERS", "UNALIGN_CORNERS")
    ],
    "resize": [
        resized(
            "resize",
            interpolated((8, 6), False),
            shape=[1, 8, 0],
            resized_dims=np.uint32(2),
            sampling_mode="UNALIGN_CORNERS",
        ),
        resized(
            "resize",
            lambda x: F.interpolate(x, size=(8, 9), mode="nearest"),
            shape=[8, 9],
            resized_dims=np.uint32(2),
            interpolation_mode="NEAREST_NEIGHBOR",
        ),
        resized("resize", sampled([0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 4.0]), shape=[3], resized_dims=np.uint32(1)),
    ],
    "batch_norm": [
        (
            lambda mb, x: mb.batch_norm(x=x, mean=BIAS, variance=BIAS**2),
            {"x": (2, 6, 3, 4)},
            lambda x: (x - by_channel(BIAS, x)) / (by_channel(BIAS**2, x) + 1e-5).sqrt(),
        ),
        (
            lambda mb, x: mb.batch_norm(x=x, mean=BIAS, variance=BIAS**2, gamma=BIAS, beta=-BIAS, epsilon=0.01),
            {"x": (2, 6, 3)},
            lambda x: (
                (x - by_channel(BIAS, x)) / (by_channel(BIAS**2, x) + 0.01).sqrt() * by_channel(BIAS, x)
                - by_channel(BIAS, x)
            ),
        ),
    ],
    "instance_norm": [
        (lambda mb, x: mb.instance_norm(x=x), {"x": (2, 6, 3, 4)}, lambda x: normalized(x, (2, 3), 1e-5)),
        (
            lambda mb, x: mb.instance_norm(x=x, gamma=BIAS, beta=-BIAS, epsilon=0.1),
            {"x": (2, 6, 7)},
            lambda x: normalized(x, 2, 0.1, BIAS, -BIAS),
        ),
    ],
    "layer_norm": [
        (lambda mb, x: mb.layer_norm(x=x, axes=[-1]), {"x": (2, 3, 6)}, lambda x: normalized(x, -1, 1e-5)),
        (
            lambda mb, x: mb.layer_norm(x=x, axes=[0, 1, 2]),
            {"x": (2, 3, 6)},
            lambda x: normalized(x, (0, 1, 2), 1e-5),
        ),
        (
            lambda mb, x: mb.layer_norm(x=x, axes=[2], gamma=BIAS, beta=-BIAS, epsilon=0.1),
            {"x": (2, 3, 6)},
            lambda x: normalized(x, 2, 0.1, BIAS, -BIAS, channel=2),
        ),
        (
            lambda mb, x: mb.layer_norm(x=x, axes=[1], gamma=BIAS, beta=-BIAS, epsilon=1e-6),
            {"x": (2, 6, 3, 4)},
            lambda x: normalized(x, 1, 1e-6, BIAS, -BIAS),
        ),
    ],
    "l2_norm": [
        (
            lambda mb, x: mb.l2_norm(x=x),
            {"x": (2, 3, 4, 5)},
            lambda x: x / (x.square().sum((1, 2, 3), keepdim=True) + 1e-6).sqrt(),
        ),
        (
            lambda mb, x: mb.l2_norm(x=x, epsilon=0.5),
            {"x": (3, 4, 5)},
            lambda x: x / (x.square().sum() + 0.5).sqrt(),
        ),
    ],
    "local_response_norm": [
        (
            lambda mb, x: mb.local_response_norm(x=x, size=3),
            {"x": (2, 6, 3, 4)},
            lambda x: response_normed(x, 3, 1e-4, 0.75, 1.0),
        ),
        (
            lambda mb, x: mb.local_response_norm(x=x, size=5, alpha=0.1, beta=0.5, k=2.0),
            {"x": (2, 6, 3)},
            lambda x: response_normed(x, 5, 0.1, 0.5, 2.0),
        ),
    ],
}


@pytest.mark.parametrize(
    ("operation_type", "case"),
    [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_operation_computes_its_definition(operation_type, case, agree):
    agree(operation_type, *case)
