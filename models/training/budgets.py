"""Memory banks of other budgets than a preset's own: the rows of an ablation, and what pretraining draws from."""

from dataclasses import replace

from tinysam2.core.config import DENSE_BANK, BankConfig, ModelConfig

SHARES = (0.12, 0.035)
"""Shares of dense memory, beside all of it, what pooling alone leaves, and the preset's own."""


def bank_of_share(config: ModelConfig, share: float) -> BankConfig:
    """The bank whose tokens come closest to a share of dense memory, by pooling 2x2, or 4x4 where that is too much.

    Raises ValueError where neither fits the share.
    """
    own, wanted = config.bank, share * config.bank.slots * config.grid**2
    for pool in (2, 4):
        pooled = (config.grid // pool) ** 2
        kept = round((wanted - pooled) / (own.slots - 1))
        if 1 <= kept <= pooled:
            return replace(own, spatial_pool=pool, tokens_per_frame=kept)
    raise ValueError(f"share is {share}; pooling 2x2 or 4x4 and selection cannot leave that much of dense memory")


def memory_budgets(config: ModelConfig) -> dict[str, BankConfig]:
    """From dense memory down, by name; all of them have the preset's quality management but the dense one, SAM 2's."""
    pooled = replace(config.bank, spatial_pool=2, tokens_per_frame=None)
    banks = [pooled, bank_of_share(config, SHARES[0]), config.bank, bank_of_share(config, SHARES[1])]
    dense = replace(DENSE_BANK, slots=config.bank.slots, pointers=config.bank.pointers)
    return {"dense": dense, **{f"{config.with_bank(bank).memory_token_share:.1%}": bank for bank in banks}}
