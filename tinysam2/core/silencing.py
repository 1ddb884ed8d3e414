"""What toolchains and native runtimes print about themselves, kept off the user's terminal."""

import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO


@contextmanager
def silenced() -> Iterator[None]:
    """Drops warnings, log lines, progress bars and whatever native code writes to standard error.

    Converters and runtimes announce delegates, probe the processor and warn of untested versions; their errors
    come as exceptions, and pass. A console of the caller's own must hold a descriptor of its own to be seen.

    Streams, descriptors and filters belong to the process: what other threads print meanwhile is dropped too. Blocks
    of several threads may overlap in any order; the last one to end restores everything.
    """
    _SILENCE.begin()
    try:
        yield
    finally:
        _SILENCE.end()


@contextmanager
def stdout_for_answers() -> Iterator[TextIO]:
    """Standard output as a stream of the caller's alone; what anything else in the process prints there is dropped,
    from here to the end of the process.

    Raises RuntimeError where the process has given its standard output away already.
    """
    if not _ANSWERS.acquire(blocking=False):
        raise RuntimeError("this process's standard output is taken by an earlier stdout_for_answers(); use that one")
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        yield answers


class _Silence:
    """The process's one silence: the first block to begin redirects, the last one to end restores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._restore = ExitStack()

    def begin(self) -> None:
        with self._lock:
            if self._blocks == 0:
                with ExitStack() as redirected:
                    _redirect(redirected)
                    self._restore = redirected.pop_all()
            self._blocks += 1

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0:
                self._restore.close()


def _redirect(stack: ExitStack) -> None:
    """Redirects everything, and pushes what restores it."""
    # A process may be started without a standard error: then there is nothing to restore.
    if sys.stderr is not None and _is_open(2):
        sys.stderr.flush()
        saved = os.dup(2)
        stack.callback(os.close, saved)
        with open(os.devnull, "w") as nowhere:
            stack.callback(os.dup2, saved, 2)
            os.dup2(nowhere.fileno(), 2)
    stack.callback(logging.disable, logging.root.manager.disable)
    logging.disable(logging.ERROR)
    stack.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    stack.enter_context(redirect_stdout(io.StringIO()))
    stack.enter_context(redirect_stderr(io.StringIO()))


_SILENCE = _Silence()
_ANSWERS = threading.Lock()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
