"""Processes as `torchrun` describes them, and what is averaged over them."""

import pytest
import torch

from tinysam2.models.training.parallel import Processes, joined_processes


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"TORCHELASTIC_RUN_ID": "run", "WORLD_SIZE": "1", "RANK": "0"},
        # As a cluster's shell sets them for whatever it starts.
        {"WORLD_SIZE": "2", "RANK": "0"},
    ],
)
def test_a_process_that_was_started_alone_is_alone(monkeypatch, variables):
    for name in ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with joined_processes() as processes:
        assert processes == Processes(0, 1)
        assert processes.first
        assert not torch.distributed.is_initialized()


def test_only_the_first_process_is_the_first():
    assert [Processes(rank, 3).first for rank in range(3)] == [True, False, False]


def test_the_mean_over_one_process_is_what_it_has():
    values = [torch.rand(2, 3), torch.arange(4)]
    kept = [value.clone() for value in values]
    Processes().average(values)
    assert all(torch.equal(value, former) for value, former in zip(values, kept, strict=True))
    assert torch.equal(Processes().mean(kept[0]), values[0])
