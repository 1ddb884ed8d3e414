"""The memory budgets of an ablation, from all of dense memory down to a thirtieth."""

import pytest

from tinysam2.core.config import DENSE_BANK, preset
from tinysam2.models.training.budgets import bank_of_share, memory_budgets


def shares(name: str) -> dict[str, float]:
    config = preset(name)
    return {budget: config.with_bank(bank).memory_token_share for budget, bank in memory_budgets(config).items()}


@pytest.mark.parametrize("name", ["nano", "tinysam2"])
def test_the_budgets_go_from_dense_memory_down(name):
    found = shares(name)
    assert list(found)[:2] == ["dense", "25.0%"]
    assert list(found)[3] == "6.9%"
    assert list(found.values()) == pytest.approx([1.0, 0.25, 0.12, 0.0692, 0.035], abs=1e-3)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_the_dense_budget_of_nano_is_all_of_seven_frames():
    config = preset("nano")
    assert config.with_bank(memory_budgets(config)["dense"]).memory_tokens == 7 * 16 * 16 == 1792


def test_the_presets_own_bank_is_among_the_budgets():
    config = preset("nano")
    assert memory_budgets(config)["6.9%"] == config.bank


def test_only_the_dense_budget_is_without_quality_management():
    banks = memory_budgets(preset("nano"))
    assert {name for name, bank in banks.items() if not bank.quality_management} == {"dense"}
    assert banks["dense"] == DENSE_BANK


def test_every_budget_has_the_presets_slots_and_pointers():
    own = preset("nano").bank
    for bank in memory_budgets(preset("nano")).values():
        assert (bank.slots, bank.pointers) == (own.slots, own.pointers)


@pytest.mark.parametrize("share", [0.24, 0.12, 0.06, 0.035, 0.02])
def test_a_bank_of_a_share_comes_within_half_a_token_a_frame_of_it(share):
    config = preset("nano")
    tokens = config.with_bank(bank_of_share(config, share)).memory_tokens
    assert abs(tokens - share * 1792) <= 0.5 * (config.bank.slots - 1) + 1e-6


@pytest.mark.parametrize("share", [0.5, 0.001, 0.0])
def test_a_share_that_pooling_and_selection_cannot_leave_is_refused(share):
    with pytest.raises(ValueError, match=f"share is {share}; pooling 2x2 or 4x4 and selection cannot leave that much"):
        bank_of_share(preset("nano"), share)
