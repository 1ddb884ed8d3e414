"""How a run is executed: by which processes, as `torchrun` starts them, on which device, and who is told."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from tinysam2.core.launching import by_torchrun


@dataclass(frozen=True)
class Processes:
    """This process's rank among `count`."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean over processes of a tensor, the same on each."""
        if self.count > 1:
            dist.all_reduce(values)
            values /= self.count
        return values

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by its mean over processes, in one message."""
        if self.count == 1:
            return
        flat = self.mean(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


@dataclass(frozen=True)
class TrainedStep:
    """What is shown of a step: its number counted from 1, and the figures of the last row of the log."""

    step: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Execution:
    """How a run is executed; its result depends on none of this but the device.

    processes: of a data-parallel run; each is given the same arguments. workers: processes that prepare clips.
    progress: is told of each step.
    """

    processes: Processes = Processes()
    workers: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Callable[[TrainedStep], None] = lambda step: None


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """The process group that `torchrun` described, or this process alone where it did not."""
    # A cluster's shell sets RANK and WORLD_SIZE too, for whatever it starts.
    if not by_torchrun() or int(os.environ["WORLD_SIZE"]) == 1:
        yield Processes()
        return
    # The log's figures are averaged on the CPU wherever the gradients are.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
