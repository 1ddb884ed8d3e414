"""Objects that one thread at a time may use."""

import threading

from tinysam2.core.errors import InputError


class ExclusiveUse:
    """A block that two threads must not be in at once: the second is refused with an InputError, and does not wait."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise InputError(self._refusal)

    def __exit__(self, *_: object) -> None:
        self._lock.release()
