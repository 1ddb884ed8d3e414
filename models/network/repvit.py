"""RepViT, the image encoder's trunk. State-dict keys are timm's, so its weights load by name.

Source: RepViT (arXiv 2307.09283). While training, a depthwise convolution has a 1x1 branch and a shortcut beside
it; `fuse` folds branches and BatchNorms into single convolutions that compute the same.
"""

import copy
import itertools
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tinysam2.core.config import RepViTConfig
from tinysam2.models.network.layers import Conv2dReLU

M = TypeVar("M", bound=nn.Module)


class ConvNorm(nn.Sequential):
    """Convolution without bias, then BatchNorm."""

    c: nn.Conv2d
    bn: nn.BatchNorm2d

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        super().__init__()
        self.add_module(
            "c", nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        )
        self.add_module("bn", nn.BatchNorm2d(out_channels))

    def fused(self) -> nn.Conv2d:
        """One convolution with the same output as this pair in evaluation."""
        return fuse_conv_bn_eval(self.c, self.bn)


class RepDepthwise(nn.Module):
    """Token mixer: depthwise 3x3 + depthwise 1x1 + shortcut. [B, C, H, W] -> [B, C, H, W]."""

    conv1: ConvNorm | nn.Conv2d
    bn: nn.Identity | nn.BatchNorm2d

    def __init__(self, channels: int, legacy: bool) -> None:
        super().__init__()
        self.conv = ConvNorm(channels, channels, 3, groups=channels)
        if legacy:
            self.conv1 = ConvNorm(channels, channels, 1, groups=channels)
            self.bn = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(channels, channels, 1, groups=channels)
            self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x) + self.conv1(x) + x)

    def fused(self) -> nn.Conv2d:
        """One depthwise 3x3 with the same output as the branches in evaluation."""
        wide = self.conv.fused()
        point = self.conv1.fused() if isinstance(self.conv1, ConvNorm) else self.conv1
        with torch.no_grad():
            wide.weight += F.pad(point.weight + 1, [1, 1, 1, 1])
            assert wide.bias is not None
            assert point.bias is not None
            wide.bias += point.bias
        return wide if isinstance(self.bn, nn.Identity) else fuse_conv_bn_eval(wide, self.bn)


class SqueezeExcite(nn.Module):
    """Channel gating by the image's mean. Source: timm `SqueezeExcite` with ratio 1/4 rounded to 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Rounded to the nearest multiple of 8, never below 8, as the published weights are.
        reduced = max(8, int(channels / 4 + 4) // 8 * 8)
        self.fc1 = Conv2dReLU(channels, reduced, 1)
        self.fc2 = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(self.fc1(mean)))


class FeedForward(nn.Module):
    """Channel mixer: two 1x1 convolutions with GELU between them."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels * ratio)
        self.conv2 = ConvNorm(channels * ratio, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.gelu(self.conv1(x)))


class RepViTBlock(nn.Module):
    """Token mixer, optional squeeze-excite, residual channel mixer. [B, C, H, W] -> [B, C, H, W]."""

    def __init__(self, channels: int, config: RepViTConfig, squeeze: bool) -> None:
        super().__init__()
        self.token_mixer = RepDepthwise(channels, config.legacy)
        self.se = SqueezeExcite(channels) if squeeze else nn.Identity()
        self.channel_mixer = FeedForward(channels, config.mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = self.se(self.token_mixer(x))
        return x + self.channel_mixer(x)


class Downsample(nn.Module):
    """Halves the side and changes the width. [B, I, H, W] -> [B, O, H/2, W/2]."""

    def __init__(self, in_channels: int, out_channels: int, config: RepViTConfig) -> None:
        super().__init__()
        self.pre_block = RepViTBlock(in_channels, config, squeeze=False)
        self.spatial_downsample = ConvNorm(in_channels, in_channels, 3, 2, groups=in_channels)
        self.channel_downsample = ConvNorm(in_channels, out_channels)
        self.ffn = FeedForward(out_channels, config.mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        return x + self.ffn(x)


class RepViTStage(nn.Module):
    """A downsample, but for the first stage, and blocks of which every second one squeezes."""

    def __init__(self, downsample: nn.Module, channels: int, depth: int, config: RepViTConfig) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*(RepViTBlock(channels, config, squeeze=i % 2 == 0) for i in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Stem(nn.Module):
    """Two strided 3x3 convolutions. [B, 3, H, W] -> [B, C, H/4, W/4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, channels // 2, 3, 2)
        self.conv2 = ConvNorm(channels // 2, channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.gelu(self.conv1(x)))


class RepViT(nn.Module):
    """The trunk: [B, 3, S, S] -> four feature maps at strides 4, 8, 16 and 32, of the config's widths."""

    def __init__(self, config: RepViTConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stem = Stem(widths[0])
        downsamples = [nn.Identity(), *(Downsample(i, o, config) for i, o in itertools.pairwise(widths))]
        self.stages = nn.ModuleList(
            RepViTStage(downsample, width, depth, config)
            for downsample, width, depth in zip(downsamples, widths, config.depths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def fuse(module: M) -> M:
    """A copy in evaluation mode, its re-parameterised branches and BatchNorms folded into convolutions."""
    module = copy.deepcopy(module).eval()
    _fuse_children(module)
    return module


def _fuse_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, RepDepthwise | ConvNorm):
            setattr(module, name, child.fused())
        else:
            _fuse_children(child)
