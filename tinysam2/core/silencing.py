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


class _Silence:
    """The process's one silence. Its blocks may overlap in several threads: the first to enter begins it and the last
    to leave ends it, since descriptors, loggers and warning filters belong to the process and not to a thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks = 0
        self.restore = ExitStack()

    def enter(self) -> None:
        with self.lock:
            if self.blocks == 0:
                with ExitStack() as begun:
                    begun.enter_context(_native_errors_dropped())
                    begun.callback(logging.disable, logging.root.manager.disable)
                    logging.disable(logging.ERROR)
                    begun.enter_context(warnings.catch_warnings())
                    begun.enter_context(redirect_stdout(io.StringIO()))
                    begun.enter_context(redirect_stderr(io.StringIO()))
                    warnings.simplefilter("ignore")
                    self.restore = begun.pop_all()
            self.blocks += 1

    def leave(self) -> None:
        with self.lock:
            self.blocks -= 1
            if self.blocks == 0:
                self.restore.close()


_SILENCE = _Silence()


@contextmanager
def silenced() -> Iterator[None]:
    """Drops warnings, log lines, progress bars and whatever native code writes to standard error.

    Converters and runtimes announce delegates, probe the processor and warn of untested versions; their errors
    come as exceptions, and pass. A console of the caller's own must hold a descriptor of its own to be seen.
    Blocks may overlap in several threads; while one of them runs, every thread is silent.
    """
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()


@contextmanager
def _native_errors_dropped() -> Iterator[None]:
    """Sends descriptor 2 nowhere; one that the caller has closed stays closed."""
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@contextmanager
def stdout_for_answers() -> Iterator[TextIO]:
    """Standard output as a stream of the caller's alone; what anything else in the process prints there is dropped,
    from here to the end of the process."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        yield answers
