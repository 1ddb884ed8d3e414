"""Two banks after the same update: choices are told apart from values, and values are compared where they can be."""

import numpy as np
import pytest

from tinysam2.core.config import BankConfig, ModelConfig, RepViTConfig
from tinysam2.core.contract import MEMORY_ENCODER, NEXT, program_contract
from tinysam2.validation.parity.bank_match import (
    POINTER_AGE,
    POINTERS,
    QUALITY,
    SLOT_AGE,
    TOKENS,
    TOKENS_XY,
    match_banks,
)

CONFIG = ModelConfig(
    "tiny", 64, RepViTConfig((2, 2, 2, 2), (1, 1, 1, 1)), 16, 4,
    decoder_heads=1, bank=BankConfig(slots=4, pointers=3, tokens_per_frame=2),
)  # fmt: skip
POOLED, KEPT = 4, 2
SPECS = program_contract(CONFIG)[MEMORY_ENCODER].outputs


@pytest.fixture
def bank() -> dict[str, np.ndarray]:
    """The second recent slot of three has just been written, the third is empty."""
    rng = np.random.default_rng(0)
    values = {spec.name: rng.standard_normal(spec.shape).astype(np.float32) for spec in SPECS}
    values[TOKENS_XY][0] = np.arange(2 * CONFIG.memory_tokens).reshape(-1, 2)
    values[SLOT_AGE][0], values[POINTER_AGE][0] = (2, 1, 0, -1), (2, 1, 0)
    values[QUALITY][0] = (1, 0.875, 0.75, 0)
    return values


def rows(slot: int) -> slice:
    start = 0 if slot == 0 else POOLED + (slot - 1) * KEPT
    return slice(start, start + (KEPT if slot else POOLED))


def changed(bank, **changes):
    """A copy with values put at places: name without `next_` -> (index, value)."""
    copy = {name: value.copy() for name, value in bank.items()}
    for name, (place, value) in changes.items():
        copy[NEXT + name][0, place] = value
    return copy


def compared(bank, other) -> dict[str, int]:
    """How many rows or places of each output are compared."""
    matched = match_banks(bank, other, CONFIG)
    assert {name: value.shape for name, value in matched.reference.items()} == {
        name: value.shape for name, value in matched.actual.items()
    }
    return {name.removeprefix(NEXT): value.shape[1] for name, value in matched.reference.items()}


def test_equal_banks_have_everything_in_common(bank):
    matched = match_banks(bank, bank, CONFIG)
    assert (matched.same_slots, matched.same_tokens, matched.same_levels) == (True, 1.0, True)
    assert set(matched.reference) == {spec.name for spec in SPECS}
    assert compared(bank, bank) == {
        "memory_tokens": 10, "memory_xy": 10, "slot_quality": 4, "slot_age": 4, "pointers": 3, "pointer_age": 3,
    }  # fmt: skip


def test_a_slot_of_another_age_is_told_and_not_compared(bank):
    other = changed(bank, slot_age=(1, 7), memory_tokens=(rows(1), 99), slot_quality=(1, 0))
    assert not match_banks(bank, other, CONFIG).same_slots
    assert compared(bank, other)["memory_tokens"] == 10 - KEPT
    assert all((value < 99).all() for value in match_banks(bank, other, CONFIG).actual.values())


def test_another_slot_written_leaves_no_tokens_or_quality_to_tell(bank):
    other = changed(bank, slot_age=([2, 3], (1, 0)))
    matched = match_banks(bank, other, CONFIG)
    assert (matched.same_slots, matched.same_tokens, matched.same_levels) == (False, None, None)


def test_a_pointer_of_another_age_is_told_and_not_compared(bank):
    other = changed(bank, pointer_age=([1, 2], (0, 1)), pointers=(slice(1, 3), 99))
    matched = match_banks(bank, other, CONFIG)
    assert not matched.same_slots
    assert matched.actual[POINTERS].shape[1] == 1
    assert matched.same_tokens == 1.0


def test_an_age_off_by_the_least_is_another_age(bank):
    assert not match_banks(bank, changed(bank, slot_age=(0, 2.0001)), CONFIG).same_slots


def test_ages_that_are_all_wrong_leave_everything_to_be_compared(bank):
    aged = changed(bank, slot_age=(slice(None), bank[SLOT_AGE][0] * 1.001 + 0.01))
    assert not match_banks(bank, aged, CONFIG).same_slots
    assert compared(bank, aged)["memory_tokens"] == CONFIG.memory_tokens
    assert not np.array_equal(match_banks(bank, aged, CONFIG).actual[SLOT_AGE], bank[SLOT_AGE])


def test_order_of_the_chosen_tokens_means_nothing(bank):
    written = np.arange(*rows(2).indices(10))
    other = {name: value.copy() for name, value in bank.items()}
    for name in (TOKENS, TOKENS_XY):
        other[name][:, written] = bank[name][:, written[::-1]]
    matched = match_banks(bank, other, CONFIG)
    assert matched.same_tokens == 1.0
    assert all(np.array_equal(matched.reference[name], matched.actual[name]) for name in matched.reference)


def test_a_token_swapped_for_another_is_counted_and_not_compared(bank):
    first = rows(2).start
    other = changed(bank, memory_xy=(first, 77), memory_tokens=(first, 99))
    assert match_banks(bank, other, CONFIG).same_tokens == 0.5
    assert compared(bank, other)["memory_tokens"] == 9


@pytest.mark.parametrize("levels", [1, -1])
def test_a_quality_just_written_may_be_one_level_off(bank, levels):
    matched = match_banks(bank, changed(bank, slot_quality=(2, 0.75 + levels / 16)), CONFIG)
    assert not matched.same_levels
    assert np.array_equal(matched.reference[QUALITY], matched.actual[QUALITY])


@pytest.mark.parametrize(("slot", "off"), [(2, 2 / 16), (2, 0.5 / 16), (1, 1 / 16), (0, 1 / 16)])
def test_a_quality_further_off_or_in_another_slot_is_an_error(bank, slot, off):
    matched = match_banks(bank, changed(bank, slot_quality=(slot, bank[QUALITY][0, slot] + off)), CONFIG)
    assert not np.array_equal(matched.reference[QUALITY], matched.actual[QUALITY])
    assert matched.same_levels == (slot != 2)


def test_where_nothing_was_written_no_level_or_token_tells(bank):
    idle = changed(bank, slot_age=(slice(None), (3, 2, 1, -1)))
    matched = match_banks(idle, idle, CONFIG)
    assert (matched.same_slots, matched.same_tokens, matched.same_levels) == (True, None, None)


def test_a_prompted_frame_tells_its_level_and_no_tokens(bank):
    prompted = changed(bank, slot_age=(slice(None), (0, 2, 1, -1)))
    matched = match_banks(prompted, changed(prompted, slot_quality=(0, 15 / 16)), CONFIG)
    assert (matched.same_slots, matched.same_tokens, matched.same_levels) == (True, None, False)


def test_banks_of_half_precision_are_compared_with_those_of_single(bank):
    half = {name: value.astype(np.float16) for name, value in bank.items()}
    matched = match_banks(bank, half, CONFIG)
    assert (matched.same_slots, matched.same_tokens, matched.same_levels) == (True, 1.0, True)
