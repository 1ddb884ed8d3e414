"""What a TinySAM 2 is made of: one frozen dataclass a concern, each checked when it is made, and the presets."""

import math
import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from tinysam2.core.errors import InputError, require_field

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class RepViTConfig:
    """Widths and depths of the four RepViT stages (strides 4, 8, 16 and 32).

    Source: RepViT (arXiv 2307.09283), the published models. `legacy` is the re-parameterisation of the first
    release (m1): each branch has a BatchNorm of its own, where the later models normalise the sum.
    """

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    mlp_ratio: int = 2
    legacy: bool = False

    def __post_init__(self) -> None:
        require_field(
            len(self.widths) == 4 and all(w > 0 and w % 2 == 0 for w in self.widths),
            self,
            "widths",
            "four positive even channel counts",
        )
        require_field(len(self.depths) == 4 and all(d > 0 for d in self.depths), self, "depths", "four positive counts")
        require_field(self.mlp_ratio > 0, self, "mlp_ratio", "at least 1")


REPVIT_VARIANTS: dict[str, RepViTConfig] = {
    "nano": RepViTConfig((24, 48, 96, 192), (1, 1, 5, 1)),
    "m0_9": RepViTConfig((48, 96, 192, 384), (2, 2, 14, 2)),
    "m1": RepViTConfig((48, 96, 192, 384), (2, 2, 14, 2), legacy=True),
    "m1_0": RepViTConfig((56, 112, 224, 448), (2, 2, 14, 2)),
    "m1_1": RepViTConfig((64, 128, 256, 512), (2, 2, 12, 2)),
    "m1_5": RepViTConfig((64, 128, 256, 512), (4, 4, 24, 4)),
    "m2_3": RepViTConfig((80, 160, 320, 640), (6, 6, 34, 2)),
}


@dataclass(frozen=True)
class BankConfig:
    """The memory bank: how many frames and pointers, how few tokens, and which frames are worth keeping.

    slots: frames kept, the first one the conditioning frame (SAM 2: 7).
    pointers: object pointers kept, the first one the conditioning frame's (SAM 2: 16).
    spatial_pool: side of the average pooling of a new memory (1: none).
    tokens_per_frame: tokens that a frame other than the conditioning one keeps (None: all of them).
    quality_management: whether poor frames are left out and the least valuable slot is replaced; without it
        every frame is written and the oldest slot is replaced, as in SAM 2.
    quality_threshold: least quality (predicted IoU x object probability) of a frame that is written.
    level_frames: frames of age that weigh as much as one level of quality (`contract.QUALITY_LEVELS`) when a slot must
        be replaced.
    foreground_weight, boundary_weight: with p the share of a token that the mask covers, a token's worth is its
        novelty, one less its largest cosine similarity to the bank, + foreground_weight * p
        + boundary_weight * p * (1 - p). With both 0 novelty alone decides, as in the paper.

    The paper (arXiv 2605.18013) fixes the mechanisms; the values are this project's.
    """

    slots: int = 7
    pointers: int = 16
    spatial_pool: int = 2
    tokens_per_frame: int | None = 160
    quality_management: bool = True
    quality_threshold: float = 0.3
    level_frames: int = 3
    foreground_weight: float = 0.5
    boundary_weight: float = 2.0

    def __post_init__(self) -> None:
        require_field(self.slots >= 2, self, "slots", "at least 2: one conditioning frame and one recent")
        require_field(self.pointers >= 2, self, "pointers", "at least 2: one conditioning pointer and one recent")
        require_field(self.spatial_pool >= 1, self, "spatial_pool", "at least 1")
        kept = self.tokens_per_frame
        require_field(kept is None or kept >= 1, self, "tokens_per_frame", "at least 1, or None to keep all")
        require_field(0.0 <= self.quality_threshold < 1.0, self, "quality_threshold", "in [0, 1)")
        require_field(1 <= self.level_frames <= 64, self, "level_frames", "1 to 64: retention stays exact in fp16")
        for name in ("foreground_weight", "boundary_weight"):
            require_field(0.0 <= getattr(self, name) < math.inf, self, name, "at least 0, and finite")


DENSE_BANK = BankConfig(spatial_pool=1, tokens_per_frame=None, quality_management=False)
"""SAM 2.1's own memory: every token of the last frames, the baseline of every comparison."""


@dataclass(frozen=True)
class AttentionConfig:
    """How finely memory attention looks at a frame; sides of blocks and windows in cells of the feature grid.

    query_pool: each block of query_pool x query_pool cells is one query, and what it remembers is enlarged and added
        to the cells' own features (1: every cell is a query).
    key_pool: keys and values of self-attention are means over key_pool x key_pool queries (1: none).
    window: self-attention within windows of window x window queries (None: the whole grid).

    With the defaults this is SAM 2.1's memory attention; the others are this project's.
    """

    query_pool: int = 1
    key_pool: int = 1
    window: int | None = None

    def __post_init__(self) -> None:
        require_field(self.query_pool >= 1, self, "query_pool", "at least 1")
        require_field(self.key_pool >= 1, self, "key_pool", "at least 1")
        window = self.window
        require_field(
            window is None or (window >= 1 and window % self.key_pool == 0),
            self,
            "window",
            "a multiple of key_pool, or None for no windows",
        )


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shapes of a TinySAM 2. Widths are channel counts, sizes are pixels.

    name: the preset's name. image_size: side of the square input (S). hidden_dim: C. memory_dim: D.
    mask_downsampler_widths: channels behind each strided convolution that takes a mask to the feature grid; the mask
    is enlarged to the side that they halve to it. SAM 2.1 has four, from the image's side; with two, the mask logits
    are taken as they are. fuser_kernel: side of the memory fuser's depthwise kernels.
    Heads are named as in SAM 2.1's configuration; the defaults are SAM 2.1's, with 2 memory layers.
    """

    name: str
    image_size: int
    repvit: RepViTConfig
    hidden_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 2
    memory_feedforward_dim: int = 2048
    decoder_layers: int = 2
    decoder_heads: int = 8
    decoder_feedforward_dim: int = 2048
    mask_embedding_dim: int = 16
    fuser_layers: int = 2
    fuser_expansion: int = 4
    fuser_kernel: int = 7
    mask_downsampler_widths: tuple[int, ...] = (4, 16, 64, 256)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    bank: BankConfig = field(default_factory=BankConfig)

    def __post_init__(self) -> None:
        for name in (
            "hidden_dim",
            "memory_dim",
            "memory_layers",
            "memory_feedforward_dim",
            "decoder_layers",
            "decoder_heads",
            "decoder_feedforward_dim",
            "mask_embedding_dim",
            "fuser_layers",
            "fuser_expansion",
        ):
            require_field(getattr(self, name) >= 1, self, name, "at least 1")
        require_field(self.image_size >= 32 and self.image_size % 32 == 0, self, "image_size", "a multiple of 32")
        require_field(
            self.hidden_dim % (2 * self.decoder_heads) == 0 and self.hidden_dim % 16 == 0,
            self,
            "hidden_dim",
            "a multiple of 16 and of twice decoder_heads",
        )
        require_field(
            self.memory_dim % 4 == 0 and self.hidden_dim % self.memory_dim == 0,
            self,
            "memory_dim",
            "a multiple of 4 that divides hidden_dim, since a pointer is split into tokens of this width",
        )
        require_field(self.mask_embedding_dim % 4 == 0, self, "mask_embedding_dim", "a multiple of 4")
        kernel = self.fuser_kernel
        require_field(kernel >= 1 and kernel % 2 == 1, self, "fuser_kernel", "a positive odd number")
        widths = self.mask_downsampler_widths
        require_field(
            len(widths) >= 2 and all(width >= 1 for width in widths),
            self,
            "mask_downsampler_widths",
            "two or more positive channel counts",
        )
        self._check_attention()
        if self.grid % self.bank.spatial_pool:
            raise ValueError(
                f"BankConfig.spatial_pool is {self.bank.spatial_pool}; it must divide the feature grid, {self.grid}"
            )
        if (self.bank.tokens_per_frame or 1) > self.pooled_tokens:
            raise ValueError(
                f"BankConfig.tokens_per_frame is {self.bank.tokens_per_frame}; it must be at most the "
                f"{self.pooled_tokens} tokens that pooling leaves of a frame"
            )

    def _check_attention(self) -> None:
        attention = self.attention
        if self.grid % attention.query_pool:
            raise ValueError(
                f"AttentionConfig.query_pool is {attention.query_pool}; it must divide the feature grid, {self.grid}"
            )
        for name in ("key_pool", "window"):
            side = getattr(attention, name)
            if side and self.query_grid % side:
                raise ValueError(f"AttentionConfig.{name} is {side}; it must divide the query grid, {self.query_grid}")

    @property
    def query_grid(self) -> int:
        """Side of the grid of memory attention's queries."""
        return self.grid // self.attention.query_pool

    @property
    def grid(self) -> int:
        """Side of the stride-16 feature grid (G)."""
        return self.image_size // 16

    @property
    def mask_size(self) -> int:
        """Side of the mask logits (4G)."""
        return 4 * self.grid

    @property
    def pooled_tokens(self) -> int:
        """Tokens of one frame after spatial pooling (P), all of which the conditioning frame keeps."""
        return (self.grid // self.bank.spatial_pool) ** 2

    @property
    def tokens_per_frame(self) -> int:
        """Tokens that every other frame keeps (k)."""
        return self.bank.tokens_per_frame or self.pooled_tokens

    @property
    def tokens_by_slot(self) -> tuple[int, ...]:
        """Tokens of each slot, in the order in which they lie in the bank: the conditioning frame's come first."""
        return (self.pooled_tokens, *[self.tokens_per_frame] * (self.bank.slots - 1))

    @property
    def memory_tokens(self) -> int:
        """Spatial tokens in a full bank (T)."""
        return sum(self.tokens_by_slot)

    @property
    def memory_token_share(self) -> float:
        """Share of the tokens that dense memory of as many frames would hold."""
        return self.memory_tokens / (self.bank.slots * self.grid**2)

    @property
    def tokens_per_pointer(self) -> int:
        """Memory tokens that one object pointer is split into."""
        return self.hidden_dim // self.memory_dim

    def with_bank(self, bank: BankConfig) -> "ModelConfig":
        """The same model with another memory bank."""
        return replace(self, bank=bank)


_PRESETS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        ModelConfig("tinysam2", image_size=1024, repvit=REPVIT_VARIANTS["m1"]),
        ModelConfig(
            "tinysam2-512",
            image_size=512,
            repvit=REPVIT_VARIANTS["m1"],
            bank=BankConfig(tokens_per_frame=40),
        ),
        ModelConfig(
            "nano",
            image_size=256,
            repvit=REPVIT_VARIANTS["nano"],
            hidden_dim=128,
            memory_dim=32,
            memory_feedforward_dim=256,
            decoder_heads=4,
            decoder_feedforward_dim=256,
            fuser_expansion=2,
            bank=BankConfig(tokens_per_frame=10),
        ),
    )
}


PRESETS: "Mapping[str, ModelConfig]" = MappingProxyType(_PRESETS)
"""Every preset by name, those registered later too."""


def register_config(config: ModelConfig) -> None:
    """Adds a preset; `tinysam2.register_preset` adds its memory budget too.

    Raises InputError where the name is taken or no file name.
    """
    if config.name in PRESETS:
        raise InputError(f"preset '{config.name}' is already registered; choose another name")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", config.name):
        raise InputError(f"a preset cannot be named '{config.name}'; use lower-case letters, digits, '.', - and _")
    _PRESETS[config.name] = config


def unregister_config(name: str) -> None:
    """Takes a preset out again. Raises InputError where there is none of that name."""
    del _PRESETS[preset(name).name]


def preset(name: str) -> ModelConfig:
    """The preset of that name; `InputError` names the ones there are."""
    if name not in PRESETS:
        raise InputError(f"unknown preset '{name}'; the presets are {', '.join(PRESETS)}")
    return PRESETS[name]
