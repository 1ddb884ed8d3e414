"""Who started this process, and what it may use."""

import os


def by_torchrun() -> bool:
    """Whether `torchrun` started this process, and so its `RANK` and `WORLD_SIZE` are meant for it."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
