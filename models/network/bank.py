"""The memory bank: joint spatial-temporal token compression and memory quality management, as one pure function.

Source: TinySAM 2 (arXiv 2605.18013), memory quality management and memory token compression. Where the paper is
silent, `BankConfig` names this project's choice. There is no `topk` and no `gather`: ranks are counted and rows
picked by one-hot products, which give the same selection on every target.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import MAX_AGE, QUALITY_LEVELS
from tinysam2.core.empty_bank import empty_bank as empty_arrays
from tinysam2.models.network.layers import one_hot, rank_in_steps, stable_rank
from tinysam2.models.network.mask_decoder import DecodedFrame
from tinysam2.models.network.position import grid_xy

_NOT_A_NEIGHBOUR = -4.0
"""Stands for the similarity with a token that does not count: below every cosine, and exact in fp16."""


class MemoryBank(NamedTuple):
    """One object's memory, as `contract.bank_spec` describes it, for a batch of B objects."""

    memory_tokens: Tensor
    memory_xy: Tensor
    slot_quality: Tensor
    slot_age: Tensor
    pointers: Tensor
    pointer_age: Tensor


def empty_bank(config: ModelConfig, batch: int = 1) -> MemoryBank:
    """`tinysam2.core.empty_bank`'s tensors, as the network takes them."""
    empty = empty_arrays(config, batch=batch)
    return MemoryBank(**{name: torch.from_numpy(values) for name, values in empty.items()})


def over_tokens(by_slot: Tensor, pooled: int, kept: int) -> Tensor:
    """Repeats each slot's row for all of its tokens: [B, M, d] -> [B, T, d].

    pooled, kept: tokens of the conditioning slot and of every other one, as in `ModelConfig.tokens_by_slot`.
    """
    batch, slots, width = by_slot.shape
    conditioning = by_slot[:, :1].expand(-1, pooled, -1)
    recent = by_slot[:, 1:, None].expand(-1, -1, kept, -1)
    return torch.cat([conditioning, recent.reshape(batch, (slots - 1) * kept, width)], dim=1)


class BankUpdate(nn.Module):
    """Compresses a new memory and writes it where it is worth most. It has no weights.

    memory [B, D, G, G], the frame's answer, is_prompted [B, 1] (0 or 1), bank -> the next bank.
    """

    xy: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        # Where the bank is empty, and the mask adds what it can: p * (1 - p) is at most a quarter.
        self.largest_worth = -_NOT_A_NEIGHBOUR + config.bank.foreground_weight + config.bank.boundary_weight / 4
        xy = grid_xy(config.grid, config.bank.spatial_pool)
        self.register_buffer("xy", xy[None], persistent=False)

    def forward(self, memory: Tensor, decoded: DecodedFrame, is_prompted: Tensor, bank: MemoryBank) -> MemoryBank:
        settings = self.config.bank
        quality = decoded.iou * torch.sigmoid(decoded.object_score)
        written = 1 - is_prompted
        if settings.quality_management:
            written = written * (quality >= settings.quality_threshold).to(quality.dtype)

        slot = self._slot_to_replace(bank) * written
        tokens = F.avg_pool2d(memory, settings.spatial_pool).flatten(2).transpose(1, 2)
        kept, kept_xy = self._select(tokens, decoded.mask_logits, bank, slot)

        # A whole new row of slots: the conditioning one if the frame was prompted, else at most one recent one.
        write = torch.cat([is_prompted, slot], dim=1)
        pointer_slot = _oldest(bank.pointer_age[:, 1:]) * written
        pointer_write = torch.cat([is_prompted, pointer_slot], dim=1)
        return MemoryBank(
            self._write(bank.memory_tokens, tokens, kept, write),
            self._write(bank.memory_xy, self.xy.expand(tokens.shape[0], -1, -1), kept_xy, write),
            bank.slot_quality * (1 - write) + _in_levels(quality) * write,
            _aged(bank.slot_age, write),
            bank.pointers * (1 - pointer_write[:, :, None])
            + decoded.object_pointer[:, None] * pointer_write[:, :, None],
            _aged(bank.pointer_age, pointer_write),
        )

    def _slot_to_replace(self, bank: MemoryBank) -> Tensor:
        """One-hot over the recent slots, [B, M-1]: an empty one, else the one that is worth least: its
        quality in levels, `level_frames` frames each, less its age in frames; the first of equals."""
        age, quality = bank.slot_age[:, 1:], bank.slot_quality[:, 1:]
        if not self.config.bank.quality_management:
            return _oldest(age)
        filled = (age >= 0).to(age.dtype)
        # Whole numbers below 2048, which fp16 holds exactly: every target gives up the same slot of the same bank.
        retention = self.config.bank.level_frames * QUALITY_LEVELS * quality - age
        # An empty slot counts less than any filled one.
        return (stable_rank((1 - filled) * 2 * MAX_AGE - filled * retention) == 0).to(age.dtype)

    def _select(self, tokens: Tensor, mask_logits: Tensor, bank: MemoryBank, slot: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens of a frame [B, P, D] that are worth most and their coordinates, best first: [B, k, D], [B, k, 2].

        Worth is novelty, and more on the object and at its boundary. A token's redundancy is its largest cosine
        similarity to a token that stays in the bank, so the slot that this frame replaces does not count. Equal
        tokens keep their order.
        """
        count = self.config.tokens_per_frame
        xy = self.xy.expand(tokens.shape[0], -1, -1)
        if count == self.config.pooled_tokens:
            return tokens, xy
        stays = (bank.slot_age >= 0).to(tokens.dtype) * (1 - F.pad(slot, (1, 0)))
        similarity = _normalised(tokens) @ _normalised(bank.memory_tokens).transpose(1, 2)
        counts = over_tokens(stays[:, :, None], self.config.pooled_tokens, count).flatten(1)[:, None]
        redundancy = (similarity * counts + (1 - counts) * _NOT_A_NEIGHBOUR).amax(-1)
        ranks = rank_in_steps(self._informed_by_mask(mask_logits) - redundancy, self.largest_worth)
        pick = one_hot(ranks, count).transpose(1, 2)
        return pick @ tokens, pick @ xy

    def _informed_by_mask(self, mask_logits: Tensor) -> Tensor:
        """What the mask adds to each token's worth, [B, P]: novelty alone knows nothing of the object."""
        settings = self.config.bank
        cell = self.config.mask_size // self.config.grid * settings.spatial_pool
        covered = F.avg_pool2d(torch.sigmoid(mask_logits), cell).flatten(1)
        return settings.foreground_weight * covered + settings.boundary_weight * covered * (1 - covered)

    def _write(self, stored: Tensor, conditioning: Tensor, recent: Tensor, write: Tensor) -> Tensor:
        """Puts a frame's rows into the slots that `write` [B, M] marks: stored [B, T, d] -> [B, T, d]."""
        batch, pooled, width = conditioning.shape
        slots, count = self.config.bank.slots - 1, self.config.tokens_per_frame
        into_first, into_recent = write[:, :1, None], write[:, 1:, None, None]
        first = stored[:, :pooled] * (1 - into_first) + conditioning * into_first
        others = stored[:, pooled:].reshape(batch, slots, count, width)
        others = others * (1 - into_recent) + recent[:, None] * into_recent
        return torch.cat([first, others.reshape(batch, slots * count, width)], dim=1)


def _in_levels(quality: Tensor) -> Tensor:
    """The nearest level: what is left of a runtime's rounding no longer decides which of two slots is worth more."""
    return torch.round(quality * QUALITY_LEVELS) / QUALITY_LEVELS


def _oldest(age: Tensor) -> Tensor:
    """One-hot of an empty place (the first one), else of the oldest: [B, n] -> [B, n]."""
    empty = (age < 0).to(age.dtype)
    return (stable_rank(age + empty * 2 * MAX_AGE) == 0).to(age.dtype)


def _aged(age: Tensor, write: Tensor) -> Tensor:
    """Written places become new, filled ones a frame older, empty ones stay empty."""
    filled = (age >= 0).to(age.dtype)
    older = torch.clamp(age + filled, max=MAX_AGE)
    return older * (1 - write)


def _normalised(tokens: Tensor) -> Tensor:
    """Unit vectors along the last dimension; zero vectors stay zero."""
    return tokens * torch.rsqrt((tokens * tokens).sum(-1, keepdim=True) + 1e-6)
