"""How many threads torch takes while programs run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps torch, and with it the MIL interpreter, on one thread within the block.

    Programs of this size gain little from a second thread, and on a busy machine waiting for it costs several times
    the work. A runtime that does without torch goes on without: it is not loaded for this.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(former)
