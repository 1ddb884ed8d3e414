"""The float model as a backend, for the tests of the loop."""

import pytest


@pytest.fixture(scope="session")
def nano_backend(nano_model):
    """The seeded nano model on one thread; it holds no state between calls."""
    import torch

    from mobile_runtime.torch_backend import TorchBackend

    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TorchBackend(nano_model)
    torch.set_num_threads(former)
