"""Memory attention: the frame's features look at themselves, then at the memory bank."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.models.network.bank import MemoryBank, over_tokens
from tinysam2.models.network.layers import (
    MASKED,
    LinearReLU,
    attend,
    from_windows,
    in_windows,
    one_hot,
    pooled_rows,
)
from tinysam2.models.network.position import AxialRotary, GridRotary, GridSine, SinePosition, rotate, sine_1d

Rotation = Callable[[Tensor], Tensor]
"""Turns rows [B, n, dim] by their positions."""


class RotaryAttention(nn.Module):
    """Projections of a single-head attention whose queries and keys are rotated by their positions.

    `key_dim` is the width of keys and values before projection. Source: SAM 2 `RoPEAttention`.
    """

    def __init__(self, dim: int, key_dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(key_dim, dim)
        self.v_proj = nn.Linear(key_dim, dim)
        self.out_proj = nn.Linear(dim, dim)


class GridAttention(RotaryAttention):
    """Self-attention of the grid of queries, with pooled keys and values and within windows as the config says."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.hidden_dim, config.hidden_dim)
        self.side, self.pool, self.window = config.query_grid, config.attention.key_pool, config.attention.window

    def forward(self, x: Tensor, turn: Rotation, key_turn: Rotation) -> Tensor:
        """x [B, side^2, dim] -> the same shape; turn, key_turn: the rotations of queries and of pooled keys."""
        pooled = pooled_rows(x, self.side, self.pool)
        query, key, value = turn(self.q_proj(x)), key_turn(self.k_proj(pooled)), self.v_proj(pooled)
        if self.window is None:
            return self.out_proj(attend(query, key, value))
        keys_side, keys_window = self.side // self.pool, self.window // self.pool
        attended = attend(
            in_windows(query, self.side, self.window),
            in_windows(key, keys_side, keys_window),
            in_windows(value, keys_side, keys_window),
        )
        return self.out_proj(from_windows(attended, self.side, self.window))


class BankAttention(RotaryAttention):
    """Cross-attention of the queries to the memory bank."""

    def forward(
        self, query: Tensor, keys: list[tuple[Tensor, Tensor]], turn: Rotation, key_turn: Rotation, mask: Tensor
    ) -> Tensor:
        """query [B, Q, dim]; keys: groups of key and value, each [B, n, key_dim], attended together; turn, key_turn:
        the rotations of the queries and of all keys; mask: additive, [B, 1, sum of n]. Returns [B, Q, dim]."""
        # Joined behind the projections, whose outputs share a rounding in int8; before them groups need not.
        key = torch.cat([self.k_proj(key) for key, _ in keys], dim=1)
        value = torch.cat([self.v_proj(value) for _, value in keys], dim=1)
        return self.out_proj(attend(turn(self.q_proj(query)), key_turn(key), value, mask))


class GridRotations(NamedTuple):
    """Rotations of the grid of queries, and of self-attention's pooled keys."""

    queries: Rotation
    keys: Rotation


class MemoryAttentionLayer(nn.Module):
    """Pre-norm self-attention, cross-attention to the bank, feed-forward. Source: SAM 2 `MemoryAttentionLayer`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, feedforward_dim = config.hidden_dim, config.memory_feedforward_dim
        self.self_attn = GridAttention(config)
        self.cross_attn = BankAttention(dim, config.memory_dim)
        self.linear1 = LinearReLU(dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, turn: GridRotations, keys: list[tuple[Tensor, Tensor]], key_turn: Rotation, mask: Tensor
    ) -> Tensor:
        """keys, key_turn, mask: the bank's, as `BankAttention` takes them."""
        x = x + self.self_attn(self.norm1(x), turn.queries, turn.keys)
        x = x + self.cross_attn(self.norm2(x), keys, turn.queries, key_turn, mask)
        return x + self.linear2(self.linear1(self.norm3(x)))


class MemoryAttention(nn.Module):
    """features [B, C, G, G], has_mask [B, 1] and the bank -> conditioned [B, C, G, G].

    With an empty bank: features + the no-memory embedding. Where a mask prompt is the answer (`has_mask`) the
    features pass as they are, as SAM 2's `_use_mask_as_output` takes them.
    Source: SAM 2 `MemoryAttention` and `_prepare_memory_conditioned_features`, with each key's rotation and
    position taken from its token's own coordinates, since compressed tokens lie anywhere. Pooled queries are this
    project's: what attention adds to a block of cells is enlarged and added to each cell.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, memory_dim = config.hidden_dim, config.memory_dim
        self.config = config
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory_layers))
        self.norm = nn.LayerNorm(dim)
        self.no_memory = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, dim), std=0.02))
        self.temporal_position = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(config.bank.slots, memory_dim), std=0.02)
        )
        self.pointer_position = nn.Linear(dim, memory_dim)
        self.rotary = AxialRotary(dim)
        self.memory_sine = SinePosition(memory_dim, config.grid)
        # The grid's own encodings are constants of the exported program, not computed on every frame.
        pool = config.attention.query_pool
        self.turn_queries = GridRotary(dim, config.grid, pool)
        key_pool = config.attention.key_pool
        self.turn_keys = GridRotary(dim, config.grid, pool * key_pool) if key_pool > 1 else None
        self.add_grid_sine = GridSine(dim, config.grid, 0.1, pool)

    def forward(self, features: Tensor, has_mask: Tensor, bank: MemoryBank) -> Tensor:
        flat = features.flatten(2).transpose(1, 2)
        pointers = self._pointer_tokens(bank.pointers)
        keys = [
            (bank.memory_tokens + self._token_position(bank), bank.memory_tokens),
            (pointers + self._pointer_position(bank), pointers),
        ]
        key_turn = self._key_turn(bank, pointers.shape[1])
        mask = self._mask(bank)

        turn = GridRotations(self.turn_queries, self.turn_keys or self.turn_queries)
        blocks = pooled_rows(flat, self.config.grid, self.config.attention.query_pool)
        x = self.add_grid_sine(blocks)
        for layer in self.layers:
            x = layer(x, turn, keys, key_turn, mask)
        remembered = self.norm(self._on_the_grid(x, blocks, flat))

        filled = (bank.slot_age.amax(1, keepdim=True) >= 0).to(flat.dtype)[:, :, None]
        prompted = has_mask[:, :, None]
        conditioned = filled * remembered + (1 - filled) * (flat + self.no_memory)
        conditioned = prompted * flat + (1 - prompted) * conditioned
        return conditioned.transpose(1, 2).reshape(features.shape)

    def _on_the_grid(self, x: Tensor, blocks: Tensor, flat: Tensor) -> Tensor:
        """What attention made of the blocks [B, Q, C], as rows of the feature grid: [B, G * G, C]."""
        pool = self.config.attention.query_pool
        if pool == 1:
            return x
        added = (x - blocks).transpose(1, 2).reshape(x.shape[0], x.shape[2], *[self.config.query_grid] * 2)
        enlarged = F.interpolate(added, scale_factor=float(pool), mode="bilinear", align_corners=False)
        return flat + enlarged.flatten(2).transpose(1, 2)

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
