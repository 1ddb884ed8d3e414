"""A peer's rotary attention in real numbers and in blocks of queries, as every converter lowers it well."""

from typing import Any

import torch
from torch import Tensor, nn

from tinysam2.models.network.layers import LinearReLU, attend
from tinysam2.models.network.position import halves_from_pairs, rotate
from tinysam2.validation.cost.peer_models import FRAMES

Table = tuple[Tensor, Tensor]
"""Cosines and sines of positions, each [n, dim / 2]."""


class HalvedRotaryAttention(nn.Module):
    """What `transformers`' rotary attention of SAM 2 and EdgeTAM computes, for one head and a batch of one.

    The originals turn neighbouring channels as pairs, which interleaves every row. Here a pair's two halves lie dim / 2
    apart: the projections' outputs are reordered once, and queries and keys alike, so that their products are the same.

    queries, keys: tables of the rows that are turned. frames: groups of keys, of which the last rows are turned by the
    table and the rows before them not at all.
    """

    def __init__(self, original: Any, queries: Table, keys: Table, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.q_proj, self.k_proj = _reordered(original.q_proj), _reordered(original.k_proj)
        self.v_proj, self.o_proj = original.v_proj, original.o_proj
        for name, tensor in zip(("cos", "sin", "key_cos", "key_sin"), (*queries, *keys), strict=True):
            self.register_buffer(name, tensor, persistent=False)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, num_k_exclude_rope: int = 0, **_: object
    ) -> tuple[Tensor, None]:
        """query [1, 1, Q, dim]; key, value [1, 1, K, width], of which the last `num_k_exclude_rope` keys are not
        turned. Returns [1, 1, Q, dim], and nothing in the place of attention's weights."""
        turned = rotate(self.q_proj(query[:, 0]), self.cos, self.sin)
        keys = self._turned_keys(self.k_proj(key[:, 0]), num_k_exclude_rope)
        return self.o_proj(attend(turned, keys, self.v_proj(value[:, 0])))[:, None], None

    def _turned_keys(self, key: Tensor, excluded: int) -> Tensor:
        _, count, dim = key.shape
        rows = count - excluded
        grouped = key[:, :rows].reshape(self.frames, rows // self.frames, dim)
        still = rows // self.frames - len(self.key_cos)
        turned = rotate(grouped[:, still:], self.key_cos, self.key_sin)
        grouped = torch.cat([grouped[:, :still], turned], dim=1) if still else turned
        turned = grouped.reshape(1, rows, dim)
        return torch.cat([turned, key[:, rows:]], dim=1) if excluded else turned


def rewrite_memory_attention(memory_attention: Any, frames: int = FRAMES) -> None:
    """Gives every layer of a peer's memory attention `HalvedRotaryAttention`, and layers with their ReLU, in place.

    The outputs stay the same but for rounding. frames: of the memory.
    """
    queries = _table(memory_attention, memory_attention.position_ids)
    keys = _table(memory_attention, getattr(memory_attention, "position_ids_k", memory_attention.position_ids))
    for layer in memory_attention.layers:
        layer.self_attn = HalvedRotaryAttention(layer.self_attn, queries, queries, frames=1)
        layer.cross_attn_image = HalvedRotaryAttention(layer.cross_attn_image, queries, keys, frames)
        if hasattr(layer, "mlp"):
            layer.mlp = nn.Sequential(_with_relu(layer.mlp.up_proj), layer.mlp.down_proj)
        else:
            layer.linear1, layer.activation = _with_relu(layer.linear1), nn.Identity()


def _table(memory_attention: Any, positions: Tensor) -> Table:
    """The module's own cosines and sines, one of each pair of equals."""
    cos, sin = memory_attention.rotary_emb(positions.float(), positions)
    return cos[0, :, ::2].contiguous(), sin[0, :, ::2].contiguous()


def _reordered(linear: nn.Linear) -> nn.Linear:
    """The same layer with each pair of outputs half a row apart."""
    order = halves_from_pairs(linear.out_features)
    reordered = nn.Linear(linear.in_features, linear.out_features)
    with torch.no_grad():
        reordered.weight.copy_(linear.weight[order])
        reordered.bias.copy_(linear.bias[order])
    return reordered


def _with_relu(linear: nn.Linear) -> LinearReLU:
    """A layer and the ReLU behind it, as one."""
    joined = LinearReLU(linear.in_features, linear.out_features)
    joined.load_state_dict(linear.state_dict())
    return joined
