"""Where results go: destinations checked before any work, and outputs that appear whole or not at all."""

import ctypes
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.leftovers import Claim, claimed, recover
from tinysam2.core.units import MIB

_CURRENT_FOLDER = -100
"""AT_FDCWD of fcntl.h: paths are taken as they are."""

_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""

_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV)
"""What the kernel or a file system without exchange answers."""


def check_output_file(path: str | Path) -> Path:
    """The destination of a file, checked before the work that fills it.

    Missing parent folders are fine: `atomic_path` makes them. What a killed process left there is cleaned up.
    Raises InputError when the path is a folder or a device, or nothing can be written there.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder; name a file")
        if path.exists() and not path.is_file():
            raise InputError(f"cannot write {path}: it is a device or a pipe; name a regular file")
        _check_writable(path)
        recover(path.resolve().parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def check_output_folder(path: str | Path, former_output: str | None = None) -> Path:
    """The destination of a folder that `atomic_path` will replace whole, checked before the work for it.

    former_output: an entry that every such output holds ("manifest.json", say); a folder with other content
    and without this entry is somebody's own, and is refused rather than replaced. None: any folder will do.
    What a killed process left there is cleaned up.
    Raises InputError when the path is not a folder, may not be replaced, or nothing can be written there.
    """
    path = Path(path)
    try:
        recover(path.resolve().parent)
        if path.exists() and not path.is_dir():
            raise InputError(f"cannot write the folder {path}: it is a file; name a folder")
        if path.is_dir():
            _check_replaceable(path)
            if former_output and any(path.iterdir()) and not (path / former_output).exists():
                raise InputError(
                    f"will not replace the folder {path}: it is not empty and holds no {former_output}, "
                    "so it is not a former output; name a new or an empty folder"
                )
        _check_writable(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, with the same suffix, to write a file or a folder to.

    Leaving the block syncs it to the disk and renames it to `path`, replacing a former file or folder; an exception,
    Ctrl-C included, removes it and leaves the former one whole. Parent folders are made. A process that is killed, or
    loses power, leaves the old or the new one whole, or one that `recover` brings back.
    Raises InputError where nothing can be written, or a file and a folder would replace each other.
    """
    given, path = Path(path), Path(path).resolve()
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            claim = stack.enter_context(claimed(path))
        except OSError as error:
            raise _unwritable(given, error) from error
        temporary = claim.partial
        yield temporary
        _sync_tree(temporary)
        if path.is_dir() and temporary.is_dir():
            _check_replaceable(path)
            if not _exchanged(temporary, path):
                _step_aside(claim, path)
        elif path.is_dir():
            raise InputError(f"cannot write {given}: it is a folder; name a file")
        elif path.exists() and (temporary.is_dir() or not path.is_file()):
            raise InputError(f"cannot write {given}: it is not a {'folder' if temporary.is_dir() else 'file'}")
        else:
            os.replace(temporary, path)
        _sync(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all. Raises InputError as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def bytes_in(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, as hexadecimal digits; read in blocks, so that a large file takes no memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


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


def _step_aside(claim: Claim, path: Path) -> None:
    # A folder that is not empty cannot be renamed over: the former one steps aside, and returns on failure. Whoever
    # finds it there reads in the lock file where it belongs.
    _sync(claim.lock)
    _sync(path.parent)
    try:
        os.replace(path, claim.former)
        os.replace(claim.partial, path)
        _sync(path.parent)
    finally:
        if claim.former.exists() and not path.exists():
            os.replace(claim.former, path)


def _sync_tree(path: Path) -> None:
    """Writes a file, or a folder with all that it holds, through to the disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            _sync(Path(folder, name))
        _sync(Path(folder))
    if path.is_file():
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _check_replaceable(folder: Path) -> None:
    resolved, working = folder.resolve(), Path.cwd()
    if resolved == working or resolved in working.parents:
        raise InputError(f"will not replace {folder}: it is or holds the working folder; name another folder")
    if resolved.is_mount():
        raise InputError(f"cannot replace {folder}: it is a mount point; name a folder in it")


def _check_writable(path: Path) -> None:
    # Permission bits say little to root and nothing on a read-only or virtual file system: try.
    ancestor = path.resolve().parent
    while not ancestor.exists():
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise InputError(f"cannot write {path}: {ancestor} is a file; name a path within a folder")
    with tempfile.TemporaryFile(dir=ancestor):
        pass


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {path}: {error.strerror}; name a place that can be written")
