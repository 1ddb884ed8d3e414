"""Which of several processes this one is, as `torchrun` tells it."""

import os
from dataclasses import dataclass

from tinysam2.core.errors import InputError


@dataclass(frozen=True)
class WorkerPlace:
    """This process's rank among `count` processes that share one job.

    Raises InputError where there is no such rank.
    """

    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"there cannot be {self.count} workers; give at least 1")
        if not 0 <= self.rank < self.count:
            raise InputError(
                f"rank {self.rank} does not exist among {self.count} workers; ranks are 0 to {self.count - 1}"
            )


def place_under_torchrun() -> WorkerPlace | None:
    """The place that `torchrun` gave this process; None where it did not start it.

    RANK and WORLD_SIZE alone say nothing: clusters' shells set them for every program.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    return WorkerPlace(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
