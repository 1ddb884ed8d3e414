"""Which tokens two banks have in common after the same update."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.config import ModelConfig
from models.contract import NEXT

TOKENS = f"{NEXT}memory_tokens"
TOKENS_XY = f"{NEXT}memory_xy"
SLOT_AGE = f"{NEXT}slot_age"

SAME_PLACE = 0.25
"""Cells of the feature grid within which two tokens lie at the same place; neighbours lie half a cell apart or more."""


@dataclass(frozen=True, eq=False)
class TokenMatch:
    """Rows of two banks that hold the same tokens: `reference[i]` is `actual[i]`'s counterpart.

    share: of the tokens that the update chose for a recent slot, how many both banks chose, in whatever order, since
    order says nothing to attention; None where it wrote no recent slot.
    """

    reference: np.ndarray
    actual: np.ndarray
    share: float | None


def match_tokens(
    reference: Mapping[str, np.ndarray], actual: Mapping[str, np.ndarray], config: ModelConfig
) -> TokenMatch:
    """Matches two outputs of the memory encoder, by their names in the contract.

    Rows of slots that the reference did not write in this update must correspond one to one.
    """
    pooled, kept = config.pooled_tokens, config.tokens_per_frame
    rows = np.arange(config.memory_tokens)
    written = [slot for slot in range(1, config.bank.slots) if reference[SLOT_AGE][0, slot] == 0]
    if not written:
        return TokenMatch(rows, rows, None)
    chosen = pooled + (written[0] - 1) * kept + np.arange(kept)
    there, here = reference[TOKENS_XY][0, chosen], actual[TOKENS_XY][0, chosen]
    same = np.abs(there[:, None] - here[None]).max(-1) < SAME_PLACE
    found = same.any(1)
    others = np.setdiff1d(rows, chosen)
    return TokenMatch(
        np.concatenate([others, chosen[found]]),
        np.concatenate([others, chosen[same.argmax(1)[found]]]),
        float(found.mean()),
    )
