"""Memory encoder: a frame's features and its mask become one memory. Source: SAM 2 `MemoryEncoder`."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.models.network.bank import BankUpdate, MemoryBank
from tinysam2.models.network.layers import LayerNorm2d
from tinysam2.models.network.mask_decoder import DecodedFrame

MASK_SCALE = 20.0
MASK_BIAS = -10.0
"""SAM 2's `sigmoid_scale_for_mem_enc` and `sigmoid_bias_for_mem_enc`."""


class MaskDownsampler(nn.Module):
    """Mask [B, 1, 2^n G, 2^n G] -> [B, C, G, G] by n strided convolutions of the widths given. Source: SAM 2
    `MaskDownSampler`, which has four, each four times as wide as the last."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in itertools.pairwise((1, *widths)))
        self.norms = nn.ModuleList(LayerNorm2d(width) for width in widths)
        self.projection = nn.Conv2d(widths[-1], channels, 1)

    def forward(self, mask: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            mask = F.gelu(norm(conv(mask)))
        return self.projection(mask)


class FuserBlock(nn.Module):
    """ConvNeXt block. [B, C, G, G] -> [B, C, G, G]. Source: SAM 2 `CXBlock`."""

    def __init__(self, channels: int, expansion: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = LayerNorm2d(channels)
        self.expand = nn.Conv2d(channels, expansion * channels, 1)
        self.reduce = nn.Conv2d(expansion * channels, channels, 1)
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        update = self.reduce(F.gelu(self.expand(self.norm(self.depthwise(x)))))
        return x + self.scale[:, None, None] * update


class MemoryEncoder(nn.Module):
    """features [B, C, G, G], the frame's answer, is_prompted [B, 1] (0 or 1) and the bank -> the next bank."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.hidden_dim
        self.mask_downsampler = MaskDownsampler(config.mask_downsampler_widths, channels)
        # Mask logits have a quarter of the image's side; each convolution halves what it is given.
        self.enlarged = 2.0 ** (len(config.mask_downsampler_widths) - 2)
        self.feature_projection = nn.Conv2d(channels, channels, 1)
        self.fuser = nn.Sequential(
            *(FuserBlock(channels, config.fuser_expansion, config.fuser_kernel) for _ in range(config.fuser_layers))
        )
        self.projection = nn.Conv2d(channels, config.memory_dim, 1)
        self.no_object = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, config.memory_dim), std=0.02))
        self.bank_update = BankUpdate(config)

    def forward(self, features: Tensor, decoded: DecodedFrame, is_prompted: Tensor, bank: MemoryBank) -> MemoryBank:
        memory = self.encode(features, decoded.mask_logits, decoded.object_score, is_prompted)
        return self.bank_update(memory, decoded, is_prompted, bank)

    def encode(self, features: Tensor, mask_logits: Tensor, object_score: Tensor, is_prompted: Tensor) -> Tensor:
        """The frame's memory before compression, [B, D, G, G]: SAM 2's own."""
        mask = self.embed_mask(mask_logits, is_prompted)
        memory = self.projection(self.fuser(self.feature_projection(features) + mask))
        absent = (object_score <= 0).to(memory.dtype)
        return memory + (absent * self.no_object)[:, :, None, None]

    def embed_mask(self, mask_logits: Tensor, is_prompted: Tensor) -> Tensor:
        """What a mask adds to the features, [B, C, G, G]."""
        logits = mask_logits
        if self.enlarged > 1:
            logits = F.interpolate(logits, scale_factor=self.enlarged, mode="bilinear", align_corners=False)
        prompted = is_prompted[:, :, None, None]
        # SAM 2 trusts a prompted frame's mask to the pixel and binarises it.
        probability = prompted * (logits > 0).to(logits.dtype) + (1 - prompted) * torch.sigmoid(logits)
        return self.mask_downsampler(probability * MASK_SCALE + MASK_BIAS)
