"""Small layers that several modules share, written so that every target lowers them well."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -1e4
"""Additive attention mask of a key that is not there: large enough to vanish in softmax, small enough for fp16."""


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of [B, C, H, W]. Source: SAM 2 `LayerNorm2d`."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        channels_last = x.permute(0, 2, 3, 1)
        normalised = F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, self.eps)
        return normalised.permute(0, 3, 1, 2)


class LinearReLU(nn.Linear):
    """A linear layer and the ReLU behind it: int8 kernels do both and round once, so both are one layer."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Conv2dReLU(nn.Conv2d):
    """A convolution and the ReLU behind it, as one layer; see `LinearReLU`."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


WITH_RELU = (LinearReLU, Conv2dReLU)


class MLP(nn.Module):
    """Linear layers with ReLU between them: [..., in_dim] -> [..., out_dim]. Source: SAM 2 `MLP`."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, layers: int) -> None:
        super().__init__()
        widths = [in_dim, *[hidden_dim] * (layers - 1), out_dim]
        hidden = (LinearReLU(i, o) for i, o in itertools.pairwise(widths[:-1]))
        self.layers = nn.ModuleList((*hidden, nn.Linear(widths[-2], out_dim)))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Upsample2x(nn.Module):
    """Transposed convolution of kernel and stride 2 as a 1x1 convolution and a pixel shuffle, its exact equal.

    [B, in_channels, H, W] -> [B, out_channels, 2H, 2W]. Unlike the transposed convolution it runs whole in every
    target's delegate. `from_transposed` gives the weight of a `ConvTranspose2d(kernel_size=2, stride=2)`.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4 * out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return shuffled(self.conv(x))

    @staticmethod
    def from_transposed(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Weight [I, O, 2, 2] and bias [O] of the transposed convolution -> [4 O, I, 1, 1] and [4 O]."""
        inputs, outputs = weight.shape[:2]
        return weight.permute(1, 2, 3, 0).reshape(4 * outputs, inputs, 1, 1), bias.repeat_interleave(4)


def shuffled(x: Tensor) -> Tensor:
    """What `F.pixel_shuffle(x, 2)` does, [B, 4 C, H, W] -> [B, C, 2H, 2W], by transpositions, which delegates take."""
    batch, channels, height, width = x.shape
    # Each channel's four planes are its rows' halves above and below, each of left and right ones.
    x = x.reshape(batch * channels // 2, 2, height * width, 1).transpose(1, 2)
    x = x.reshape(batch * channels // 4, 2, height, 2 * width).transpose(1, 2)
    return x.reshape(batch, channels // 4, 2 * height, 2 * width)


QUERY_BLOCK = 1024
"""Queries that attend at once: at 1024 px a quarter of them, which quarters the largest tensor of a frame."""


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, spelled out because the fused operator lowers worse on every target.

    query: [B, heads, Q, d] or [B, Q, d]; key, value alike with K rows; mask: additive, broadcast over the queries.
    """
    query, key = query * query.shape[-1] ** -0.5, key.transpose(-2, -1)
    rows = query.shape[-2]
    if rows <= QUERY_BLOCK:
        return _attend(query, key, value, mask)
    blocks = (query[..., start : start + QUERY_BLOCK, :] for start in range(0, rows, QUERY_BLOCK))
    return torch.cat([_attend(block, key, value, mask) for block in blocks], dim=-2)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    scores = query @ key
    return torch.softmax(scores if mask is None else scores + mask, dim=-1) @ value


def pooled_rows(x: Tensor, side: int, pool: int) -> Tensor:
    """Means over pool x pool blocks of a grid in rows: [B, side^2, C] -> [B, (side/pool)^2, C]."""
    if pool == 1:
        return x
    # As an image, because delegates take no mean over the middle of rows.
    image = x.transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)
    return F.avg_pool2d(image, pool).flatten(2).transpose(1, 2)


def in_windows(x: Tensor, side: int, window: int) -> Tensor:
    """A grid in rows, window by window: [B, side^2, C] -> [B (side/window)^2, window^2, C]."""
    batch, _, channels = x.shape
    count = side // window
    x = x.reshape(batch * count, window, count, window * channels).transpose(1, 2)
    return x.reshape(batch * count * count, window * window, channels)


def from_windows(x: Tensor, side: int, window: int) -> Tensor:
    """What `in_windows` took apart: [B (side/window)^2, window^2, C] -> [B, side^2, C]."""
    count, channels = side // window, x.shape[-1]
    x = x.reshape(-1, count, window, window * channels).transpose(1, 2)
    return x.reshape(-1, side * side, channels)


def stable_rank(scores: Tensor) -> Tensor:
    """Position of each score in stable descending order, by comparison alone: [B, n] -> [B, n].

    Equal scores keep their order. Counting who beats whom, rather than `topk`, gives the same order on every
    target, ties included, and runs where `topk` does not.
    """
    ahead = scores[:, None, :] - scores[:, :, None]
    order = torch.arange(scores.shape[1], device=scores.device)
    earlier = (order[None, :] < order[:, None]).to(scores.dtype)
    return ((ahead > 0).to(scores.dtype) + (ahead == 0).to(scores.dtype) * earlier).sum(-1)


def rank_in_steps(scores: Tensor, bound: float) -> Tensor:
    """`stable_rank` of scores from -bound to bound, rounded to steps, for many scores: [B, n] -> [B, n].

    The order is part of a whole number's last digits, so that no two are equal and a difference is 1 or more: clamping
    counts who beats whom, where comparisons would leave XNNPACK's delegate, and who comes first needs no table of
    n x n. The steps are the finest that float32 holds so: 1/1024 for 1,024 scores within 8.
    """
    count = scores.shape[1]
    steps = 2.0 ** math.floor(math.log2(2**24 / (2 * bound * count)))
    order = torch.arange(count, dtype=scores.dtype, device=scores.device)
    keys = torch.round(scores * steps) * count - order
    return torch.clamp(keys[:, None, :] - keys[:, :, None], 0, 1).sum(-1)


def one_hot(index: Tensor, count: int) -> Tensor:
    """Whole numbers to rows of one 1 (or none, outside 0 .. count-1), by arithmetic: [B, n] -> [B, n, count]."""
    wanted = torch.arange(count, device=index.device, dtype=index.dtype)
    return F.relu(1 - (index[..., None] - wanted).abs())
