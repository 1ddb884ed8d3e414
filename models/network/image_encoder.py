"""The image encoder: RepViT, SAM 2's feature pyramid, and the mask decoder's two high-resolution projections."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.models.network import repvit

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class ImageEncoder(nn.Module):
    """image [B, 3, S, S], RGB 0..255 -> features [B, C, G, G], features_s8 [B, C/4, 2G, 2G],
    features_s4 [B, C/8, 4G, 4G].

    Source: SAM 2 `FpnNeck` (1x1 laterals, nearest top-down sum into stride 16 only, stride 32 dropped) and
    `conv_s0`, `conv_s1` of its mask decoder.
    """

    project_s4: nn.Module
    project_s8: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.hidden_dim
        self.trunk = repvit.RepViT(config.repvit)
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in config.repvit.widths)
        self.project_s4 = nn.Conv2d(channels, channels // 8, 1)
        self.project_s8 = nn.Conv2d(channels, channels // 4, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        image = (image - self.mean) / self.std
        s4, s8, s16, s32 = self.trunk(image)
        top_down = F.interpolate(self.laterals[3](s32), scale_factor=2.0, mode="nearest")
        features = self.laterals[2](s16) + top_down
        return features, self.project_s8(self.laterals[1](s8)), self.project_s4(self.laterals[0](s4))

    def fuse(self) -> "ImageEncoder":
        """A copy for inference: RepViT fused, and each lateral merged with the projection that follows it.

        Agrees with this encoder in evaluation to 1e-5 of its outputs' scale. What is fused already is only copied.
        """
        fused = copy.deepcopy(self).eval()
        if isinstance(self.project_s4, nn.Identity):
            return fused
        fused.trunk = repvit.fuse(self.trunk)
        fused.laterals[0], fused.project_s4 = _merge(self.laterals[0], self.project_s4), nn.Identity()
        fused.laterals[1], fused.project_s8 = _merge(self.laterals[1], self.project_s8), nn.Identity()
        return fused


def _merge(first: nn.Module, second: nn.Module) -> nn.Conv2d:
    """Two 1x1 convolutions in a row as one."""
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)
    merged = nn.Conv2d(first.in_channels, second.out_channels, 1)
    a, b = first.weight.flatten(1).double(), second.weight.flatten(1).double()
    with torch.no_grad():
        merged.weight.copy_((b @ a).reshape_as(merged.weight))
        assert merged.bias is not None
        assert first.bias is not None
        assert second.bias is not None
        merged.bias.copy_(b @ first.bias.double() + second.bias)
    return merged
