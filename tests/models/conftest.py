"""One thread for all tests of the models, and a TinySAM 2 small enough to run in a few milliseconds."""

import pytest
import torch

from models.checkpoint import seeded_model
from models.config import BankConfig, ModelConfig, RepViTConfig


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def small_config() -> ModelConfig:
    """A 4x4 grid, 32 channels, memories of 8 wide, 4 slots of 4 + 3 * 2 tokens."""
    return ModelConfig(
        "small",
        image_size=64,
        repvit=RepViTConfig((8, 16, 24, 32), (1, 1, 1, 1)),
        hidden_dim=32,
        memory_dim=8,
        memory_feedforward_dim=32,
        decoder_heads=2,
        decoder_feedforward_dim=32,
        fuser_expansion=1,
        bank=BankConfig(slots=4, pointers=4, tokens_per_frame=2),
    )


@pytest.fixture(scope="session")
def small_model(small_config):
    """The small model with seeded weights, in evaluation mode; tests must not change it."""
    return seeded_model(small_config)
