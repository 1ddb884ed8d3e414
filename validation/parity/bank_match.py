"""How far two memory banks agree after the same update: slots, tokens, qualities, and what values can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import AGES, NEXT, QUALITY_LEVELS

TOKENS, TOKENS_XY, POINTERS = f"{NEXT}memory_tokens", f"{NEXT}memory_xy", f"{NEXT}pointers"
SLOT_AGE, POINTER_AGE = (NEXT + name for name in AGES)
QUALITY = f"{NEXT}slot_quality"

SAME_PLACE = 0.25
"""Cells of the feature grid within which two tokens lie at the same place; neighbours lie half a cell apart or more."""

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class BankMatch:
    """What two outputs of the memory encoder have in common.

    same_slots: whether every age of a slot and of a pointer is the same, and with it every choice of what to replace.
    same_tokens: of the tokens that the update chose for a recent slot, the share that both chose, in whatever order,
    since order says nothing to attention; None where it wrote none, or not both the same.
    same_levels: whether the quality that it wrote is the same; None where it wrote none, or not both the same.
    reference, actual: of each output the parts that hold the same in both, in the same order.
    """

    same_slots: bool
    same_tokens: float | None
    same_levels: bool | None
    reference: Tensors
    actual: Tensors


def match_banks(reference: Tensors, actual: Tensors, config: ModelConfig) -> BankMatch:
    """Matches two outputs of the memory encoder, by their names in the contract.

    A slot or pointer whose age differs holds another frame: its values say nothing, and `same_slots` tells it; where
    all differ it is the ages that are wrong, and everything is compared. A token that rounding swapped for its like is
    counted in `same_tokens`. A quality half-way between two levels may be rounded either way, so one level in the slot
    that was written counts as equal, and `same_levels` tells it.
    """
    slots, pointers = (reference[name][0] == actual[name][0] for name in (SLOT_AGE, POINTER_AGE))
    same_slots = bool(slots.all() and pointers.all())
    written = slots & (reference[SLOT_AGE][0] == 0)
    slots, pointers = (same if same.any() else ~same for same in (slots, pointers))
    tokens, same_tokens = _match_tokens(reference, actual, slots, written, config)
    quality = reference[QUALITY][:, slots], actual[QUALITY][:, slots]
    off = np.abs(np.asarray(quality[0], np.float64) - quality[1])
    forgiven = written[None, slots] & (off == 1 / QUALITY_LEVELS)
    compared = {
        **{name: tuple(bank[name][:, rows] for bank, rows in zip((reference, actual), tokens, strict=True))
           for name in (TOKENS, TOKENS_XY)},
        QUALITY: (quality[0], np.where(forgiven, quality[0], quality[1])),
        SLOT_AGE: (reference[SLOT_AGE][:, slots], actual[SLOT_AGE][:, slots]),
        POINTERS: (reference[POINTERS][:, pointers], actual[POINTERS][:, pointers]),
        POINTER_AGE: (reference[POINTER_AGE][:, pointers], actual[POINTER_AGE][:, pointers]),
    }  # fmt: skip
    return BankMatch(
        same_slots=same_slots,
        same_tokens=same_tokens,
        same_levels=bool((off[:, written[slots]] == 0).all()) if written.any() else None,
        reference={name: pair[0] for name, pair in compared.items()},
        actual={name: pair[1] for name, pair in compared.items()},
    )


def _match_tokens(
    reference: Tensors, actual: Tensors, slots: np.ndarray, written: np.ndarray, config: ModelConfig
) -> tuple[tuple[np.ndarray, np.ndarray], float | None]:
    """Rows of both that hold the same tokens, and the share of the chosen ones that both chose.

    slots: which hold the same frame in both [M]; written: which of them the update wrote [M].
    """
    slot_of_row = np.repeat(np.arange(config.bank.slots), config.tokens_by_slot)
    [others] = np.nonzero(slots[slot_of_row] & ~(written[slot_of_row] & (slot_of_row > 0)))
    [chosen] = np.nonzero(written[slot_of_row] & (slot_of_row > 0))
    if not chosen.size:
        return (others, others), None
    reference_xy, actual_xy = reference[TOKENS_XY][0, chosen], actual[TOKENS_XY][0, chosen]
    same = np.abs(reference_xy[:, None] - actual_xy[None]).max(-1) < SAME_PLACE
    found = same.any(1)
    rows = np.concatenate([others, chosen[found]]), np.concatenate([others, chosen[same.argmax(1)[found]]])
    return rows, float(found.mean())
