"""Who started this process."""

import os


def by_torchrun() -> bool:
    """Whether `torchrun` started this process, and so its `RANK` and `WORLD_SIZE` are meant for it."""
    return "TORCHELASTIC_RUN_ID" in os.environ
