"""TinySAM 2 itself: four modules, each of which is exported as one program."""

from torch import nn

from tinysam2.core.config import ModelConfig
from tinysam2.models.network.image_encoder import ImageEncoder
from tinysam2.models.network.mask_decoder import MaskDecoder
from tinysam2.models.network.memory_attention import MemoryAttention
from tinysam2.models.network.memory_encoder import MemoryEncoder


class TinySAM2(nn.Module):
    """Video object segmentation with a compressed memory bank, for a batch of B objects.

    A frame passes through the modules in this order: its image is encoded, its features are conditioned on the
    object's bank, a mask is decoded, and the bank is updated from it. The bank is the whole of the state.
    Source: TinySAM 2 (arXiv 2605.18013); modules as in SAM 2.1.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.memory_attention = MemoryAttention(config)
        self.mask_decoder = MaskDecoder(config)
        self.memory_encoder = MemoryEncoder(config)
