"""Prompt encoder: points, boxes and a mask become embeddings. Source: SAM 2 `PromptEncoder`."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.models.network.layers import MASKED, LayerNorm2d, one_hot
from tinysam2.models.network.position import FourierPosition

POINT_LABELS = 4
"""Kinds of points with an embedding of their own: background, object, a box's two corners."""


class FramePrompt(NamedTuple):
    """What the user says of a frame: point_coords [B, n, 2] in pixels of the input image, point_labels [B, n]
    (see `tinysam2.core.contract`; points come first), mask_prompt [B, 1, 4G, 4G] in 0..1, has_mask [B, 1] (0 or 1)."""

    point_coords: Tensor
    point_labels: Tensor
    mask_prompt: Tensor
    has_mask: Tensor


class MaskEmbedding(nn.Module):
    """Mask prompt [B, 1, 4G, 4G] in logits -> dense embedding [B, C, G, G]. Source: SAM 2 `mask_downscaling`."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width // 4, 2, 2)
        self.norm1 = LayerNorm2d(width // 4)
        self.conv2 = nn.Conv2d(width // 4, width, 2, 2)
        self.norm2 = LayerNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1)

    def forward(self, mask: Tensor) -> Tensor:
        x = F.gelu(self.norm1(self.conv1(mask)))
        x = F.gelu(self.norm2(self.conv2(x)))
        return self.conv3(x)


class PromptEncoder(nn.Module):
    """Embeds the fixed number of points of the contract, and a mask.

    SAM 2 passes as many tokens as there are points and ends them with one "not a point". With fixed shapes the
    tokens that SAM 2 would not have are masked out of the decoder's attention instead, to the same result.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.hidden_dim
        self.image_size = config.image_size
        self.position = FourierPosition(channels)
        self.point = nn.Embedding(POINT_LABELS, channels)
        self.not_a_point = nn.Embedding(1, channels)
        self.no_mask = nn.Embedding(1, channels)
        self.mask = MaskEmbedding(channels, config.mask_embedding_dim)
        # SAM 2 turns a mask prompt of 0..1 into logits by a learned 4x4 convolution of stride 4; at this
        # resolution that is a scale and a bias.
        self.mask_scale = nn.Parameter(torch.tensor(20.0))
        self.mask_bias = nn.Parameter(torch.tensor(-10.0))

    def points(self, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """coords [B, n, 2] in pixels of the input image, labels [B, n] (-1: no point, behind the points) ->
        embeddings [B, n + 1, C] and their additive attention mask [B, n + 1]."""
        encoded = self.position((coords + 0.5) / self.image_size)
        kind = one_hot(labels, POINT_LABELS)
        is_point = (labels >= 0).to(coords.dtype)
        not_a_point = self.not_a_point.weight[None]
        embedded = (encoded + kind @ self.point.weight) * is_point[:, :, None]
        embedded = embedded + not_a_point * (1 - is_point)[:, :, None]
        embedded = torch.cat([embedded, not_a_point.expand(embedded.shape[0], -1, -1)], dim=1)

        # SAM 2 ends the points with one token that is none; without any point it has two. So the last token and
        # the first are always there.
        always = torch.zeros_like(is_point[:, :1])
        mask = torch.cat([always, 1 - is_point[:, 1:], always], dim=1) * MASKED
        return embedded, mask

    def masks(self, mask_prompt: Tensor, has_mask: Tensor) -> Tensor:
        """mask_prompt [B, 1, 4G, 4G] in 0..1, has_mask [B, 1] -> dense embedding [B, C, G, G]."""
        embedded = self.mask(mask_prompt * self.mask_scale + self.mask_bias)
        given = has_mask[:, :, None, None]
        return given * embedded + (1 - given) * self.no_mask.weight[:, :, None, None]
