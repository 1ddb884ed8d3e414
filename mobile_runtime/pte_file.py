"""A `.pte` file as ExecuTorch's own schema describes it, opened in one place for all that read it."""

from pathlib import Path

from executorch.exir._serialize._program import PTEFile, deserialize_pte_binary

from tinysam2.core.errors import InputError

XNNPACK = "XnnpackBackend"
"""The delegate's id in a file."""


def open_pte(path: Path) -> PTEFile:
    """A file's program, named data and segments. Raises InputError where it cannot be read."""
    try:
        return deserialize_pte_binary(path.read_bytes())
    except Exception as error:
        raise unreadable_pte(path) from error


def unreadable_pte(path: Path) -> InputError:
    """The error for a file that is no `.pte`, or whose contents do not fit together."""
    return InputError(f"{path} is not a readable .pte file; it is corrupt or cut short, convert again")
