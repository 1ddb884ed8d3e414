"""What goes wrong while a foreign file is parsed, told in one sentence."""

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinysam2.core.errors import InputError

PARSE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    subprocess.SubprocessError,
)
"""What readers of flatbuffers, and what walks the objects they make, raise on bytes that are no such file."""


@contextmanager
def parsed(path: Path, kind: str) -> Iterator[None]:
    """Raises InputError for whatever is wrong with the bytes of a file of a kind (".pte") parsed in the block."""
    try:
        yield
    except InputError:
        raise
    except PARSE_ERRORS as error:
        raise InputError(f"{path} is not a readable {kind} file; it is corrupt or cut short, convert again") from error
