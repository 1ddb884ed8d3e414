"""One thread for all tests of the models."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)
