"""Fixtures that several rooms' tests share."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real clips that may lie beside the checkout; they are not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real clips are not beside the checkout ({SHARED_DATA})")
    return SHARED_DATA.resolve()


@pytest.fixture(scope="session")
def nano_model():
    """The seeded nano model, in evaluation mode; tests must not change it."""
    from models.checkpoint import seeded_model
    from models.config import preset

    return seeded_model(preset("nano"))


@pytest.fixture(scope="session")
def nano_backend(nano_model):
    """The seeded nano model on one thread; it holds no state between calls."""
    import torch

    from mobile_runtime.torch_backend import TorchBackend

    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TorchBackend(nano_model)
    torch.set_num_threads(former)
