"""A new file or folder in the place of a former one, in one step where the system has it, synced to the disk."""

import ctypes
import errno
import os
from pathlib import Path

_CURRENT_FOLDER = -100
"""AT_FDCWD of fcntl.h: paths are taken as they are."""

_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""

_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV)
"""What the kernel or a file system without exchange answers."""


def put_in_place(new: Path, place: Path, former: Path) -> None:
    """Renames a file or a folder to its place beside it.

    A former file is replaced. A former folder is exchanged, and is under the name `new` afterwards; where the system
    has no such step it steps aside to the name `former`, and returns if the second rename fails.
    """
    if not (place.is_dir() and new.is_dir()):
        os.replace(new, place)
    elif not _exchanged(new, place):
        _step_aside(new, place, former)
    sync(place.parent)


def sync_tree(path: Path) -> None:
    """Writes a file, or a folder with all that it holds, through to the disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))
    if path.is_file():
        sync(path)


def sync(path: Path) -> None:
    """Writes a file, or a folder's list of entries, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _exchanged(new: Path, path: Path) -> bool:
    """Exchanges two folders in one step; False where the system has no such step."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if renameat2(_CURRENT_FOLDER, os.fsencode(new), _CURRENT_FOLDER, os.fsencode(path), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(path))


def _step_aside(new: Path, path: Path, former: Path) -> None:
    # A folder that is not empty cannot be renamed over: the former one steps aside, and returns on failure.
    sync(path.parent)
    try:
        os.replace(path, former)
        os.replace(new, path)
    finally:
        if former.exists() and not path.exists():
            os.replace(former, path)
