"""What toolchains and native runtimes print about themselves, kept off the user's terminal."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO


@contextmanager
def silenced() -> Iterator[None]:
    """Drops warnings, log lines, progress bars and whatever native code writes to standard error.

    Converters and runtimes announce delegates, probe the processor and warn of untested versions; their errors
    come as exceptions, and pass. A console of the caller's own must hold a descriptor of its own to be seen.
    """
    level = logging.root.manager.disable
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        logging.disable(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
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
