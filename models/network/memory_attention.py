"""Memory attention: the frame's features look at themselves, then at the memory bank."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tinysam2.core.config import ModelConfig
from tinysam2.models.network.bank import MemoryBank, over_tokens
from tinysam2.models.network.layers import MASKED, LinearReLU, attend, one_hot
from tinysam2.models.network.position import AxialRotary, GridRotary, GridSine, SinePosition, rotate, sine_1d

Rotation = Callable[[Tensor], Tensor]
"""Turns rows [B, n, dim] by their positions."""


class RotaryAttention(nn.Module):
    """Single-head attention whose queries and keys are rotated by their positions. Source: SAM 2 `RoPEAttention`.

    `key_dim` is the width of keys and values before projection.
    """

    def __init__(self, dim: int, key_dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(key_dim, dim)
        self.v_proj = nn.Linear(key_dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(
        self,
        query: Tensor,
        keys: list[tuple[Tensor, Tensor]],
        turn: Rotation,
        key_turn: Rotation,
        mask: Tensor | None = None,
    ) -> Tensor:
        """query [B, Q, dim]; keys: groups of key and value, each [B, n, key_dim], attended together; turn, key_turn:
        the rotations of the queries and of all keys; mask: additive, [B, 1, sum of n]. Returns [B, Q, dim]."""
        # Joined behind the projections, whose outputs share a rounding in int8; before them groups need not.
        key = torch.cat([self.k_proj(key) for key, _ in keys], dim=1)
        value = torch.cat([self.v_proj(value) for _, value in keys], dim=1)
        return self.out_proj(attend(turn(self.q_proj(query)), key_turn(key), value, mask))


class MemoryAttentionLayer(nn.Module):
    """Pre-norm self-attention, cross-attention to the bank, feed-forward. Source: SAM 2 `MemoryAttentionLayer`."""

    def __init__(self, dim: int, memory_dim: int, feedforward_dim: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(dim, dim)
        self.cross_attn = RotaryAttention(dim, memory_dim)
        self.linear1 = LinearReLU(dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, turn: Rotation, keys: list[tuple[Tensor, Tensor]], key_turn: Rotation, mask: Tensor
    ) -> Tensor:
        """keys, key_turn, mask: the bank's, as `RotaryAttention` takes them."""
        normed = self.norm1(x)
        x = x + self.self_attn(normed, [(normed, normed)], turn, turn)
        x = x + self.cross_attn(self.norm2(x), keys, turn, key_turn, mask)
        return x + self.linear2(self.linear1(self.norm3(x)))


class MemoryAttention(nn.Module):
    """features [B, C, G, G], has_mask [B, 1] and the bank -> conditioned [B, C, G, G].

    With an empty bank: features + the no-memory embedding. Where a mask prompt is the answer (`has_mask`) the
    features pass as they are, as SAM 2's `_use_mask_as_output` takes them.
    Source: SAM 2 `MemoryAttention` and `_prepare_memory_conditioned_features`, with each key's rotation and
    position taken from its token's own coordinates, since compressed tokens lie anywhere.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, memory_dim = config.hidden_dim, config.memory_dim
        self.config = config
        self.layers = nn.ModuleList(
            MemoryAttentionLayer(dim, memory_dim, config.memory_feedforward_dim) for _ in range(config.memory_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.no_memory = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, dim), std=0.02))
        self.temporal_position = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(config.bank.slots, memory_dim), std=0.02)
        )
        self.pointer_position = nn.Linear(dim, memory_dim)
        self.rotary = AxialRotary(dim)
        self.memory_sine = SinePosition(memory_dim, config.grid)
        # The grid's own encodings are constants of the exported program, not computed on every frame.
        self.turn_grid = GridRotary(dim, config.grid)
        self.add_grid_sine = GridSine(dim, config.grid, weight=0.1)

    def forward(self, features: Tensor, has_mask: Tensor, bank: MemoryBank) -> Tensor:
        flat = features.flatten(2).transpose(1, 2)
        pointers = self._pointer_tokens(bank.pointers)
        keys = [
            (bank.memory_tokens + self._token_position(bank), bank.memory_tokens),
            (pointers + self._pointer_position(bank), pointers),
        ]
        key_turn = self._key_turn(bank, pointers.shape[1])
        mask = self._mask(bank)

        x = self.add_grid_sine(flat)
        for layer in self.layers:
            x = layer(x, self.turn_grid, keys, key_turn, mask)
        remembered = self.norm(x)

        filled = (bank.slot_age.amax(1, keepdim=True) >= 0).to(flat.dtype)[:, :, None]
        prompted = has_mask[:, :, None]
        conditioned = filled * remembered + (1 - filled) * (flat + self.no_memory)
        conditioned = prompted * flat + (1 - prompted) * conditioned
        return conditioned.transpose(1, 2).reshape(features.shape)

    def _key_turn(self, bank: MemoryBank, pointers: int) -> Rotation:
        """The rotation of all keys, [B, T + pointers, dim]; pointers have no position and are not rotated."""
        cos, sin = self.rotary(bank.memory_xy)
        still = torch.zeros_like(cos[:, :1]).expand(-1, pointers, -1)
        return functools.partial(rotate, cos=torch.cat([cos, still + 1], dim=1), sin=torch.cat([sin, still], dim=1))

    def _token_position(self, bank: MemoryBank) -> Tensor:
        """Sine of each token's coordinates plus its slot's temporal embedding, by rank of recency: [B, T, D]."""
        ages = bank.slot_age[:, 1:]
        recent = self.config.bank.slots - 1
        younger = (ages[:, None, :] < ages[:, :, None]).to(ages.dtype) * (ages[:, None, :] >= 0).to(ages.dtype)
        rank = younger.sum(-1)
        of_recent = one_hot(rank, recent) @ self.temporal_position[:recent]
        of_conditioning = self.temporal_position[recent:].expand(ages.shape[0], 1, -1)
        temporal = torch.cat([of_conditioning, of_recent], dim=1)
        return self.memory_sine(bank.memory_xy) + self._over_tokens(temporal)

    def _over_tokens(self, by_slot: Tensor) -> Tensor:
        return over_tokens(by_slot, self.config.pooled_tokens, self.config.tokens_per_frame)

    def _pointer_tokens(self, pointers: Tensor) -> Tensor:
        """Pointers [B, N, C] split into tokens of the memory's width: [B, N C / D, D]."""
        return pointers.reshape(pointers.shape[0], -1, self.config.memory_dim)

    def _pointer_position(self, bank: MemoryBank) -> Tensor:
        """Projected sine of each pointer's distance in time, in shares of the longest one: [B, N C / D, D]."""
        # A pointer written in the last frame has age 0 and lies one frame back.
        distance = (bank.pointer_age + 1) / (self.config.bank.pointers - 1)
        position = self.pointer_position(sine_1d(distance, self.config.hidden_dim))
        batch, count, width = position.shape
        split = position[:, :, None].expand(-1, -1, self.config.tokens_per_pointer, -1)
        return split.reshape(batch, count * self.config.tokens_per_pointer, width)

    def _mask(self, bank: MemoryBank) -> Tensor:
        """Additive mask over all keys, [B, 1, T + N C / D]: tokens of empty slots and pointers are not seen."""
        tokens = self._over_tokens(bank.slot_age[:, :, None])
        pointers = bank.pointer_age[:, :, None].expand(-1, -1, self.config.tokens_per_pointer)
        ages = torch.cat([tokens.flatten(1), pointers.flatten(1)], dim=1)
        return (ages < 0).to(ages.dtype)[:, None] * MASKED
