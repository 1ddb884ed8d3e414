"""Hidden names beside a destination, and what a process that died has left under them."""

import fcntl
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HIDDEN = re.compile(r"\.([0-9a-f]{12})\.(?:lock|former|partial.*)", re.DOTALL)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The hidden names beside a destination that one writer uses.

    partial: what is being written. former: a whole former output that has stepped aside. lock: names the destination,
    and is locked by its writer for as long as that lives.
    """

    partial: Path
    former: Path
    lock: Path

    @classmethod
    def beside(cls, destination: Path, token: str) -> "Claim":
        """The names that belong to a token of 12 hexadecimal digits."""
        at = destination.with_name
        partial = at(f".{token}.partial{destination.suffix}")
        return cls(partial, at(f".{token}.former"), at(f".{token}.lock"))

    def clear(self, destination: Path) -> None:
        """Removes what lies under these names, except a former output that `destination` still lacks."""
        remove(self.partial)
        if self.former.exists() and destination.exists():
            # Under the other name first: what bears the name `former` is always whole.
            os.replace(self.former, self.partial)
            remove(self.partial)


@contextmanager
def claimed(destination: Path) -> Iterator[Claim]:
    """Hidden names for one writer of a destination. Leaving the block removes what lies under them."""
    claim, descriptor = _claim(destination)
    try:
        yield claim
    finally:
        try:
            claim.clear(destination)
            claim.lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def recover(folder: Path) -> None:
    """Brings back or removes what processes that died have left among a folder's entries, and logs a warning of each.

    A former output is brought back under its name where nothing bears it. What living processes write is left alone.
    """
    if not folder.is_dir():
        return
    tokens = {match[1] for name in os.listdir(folder) if (match := _HIDDEN.fullmatch(name))}
    for token in sorted(tokens):
        lock = folder / f".{token}.lock"
        # A writer locks before it writes: without a lock there is no writer.
        descriptor = _opened(lock)
        try:
            if descriptor is None or _locked(descriptor, wait=False):
                _recover(folder, token, os.read(descriptor, 1024).decode() if descriptor is not None else "")
                lock.unlink(missing_ok=True)
        finally:
            if descriptor is not None:
                os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file or a folder, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _recover(folder: Path, token: str, name: str) -> None:
    destination = folder / name
    former = folder / f".{token}.former"
    if name and former.exists() and not destination.exists():
        os.replace(former, destination)
        _log.warning("brought back %s, which a command that was killed had moved aside", destination)
    for path in folder.glob(f".{token}.partial*"):
        remove(path)
        _log.warning("removed %s, which a command that was killed had left behind", path)
    if name and former.exists():
        Claim.beside(destination, token).clear(destination)
        _log.warning("removed %s, which a command that was killed had left behind", former)


def _claim(destination: Path) -> tuple[Claim, int]:
    while True:
        claim = Claim.beside(destination, secrets.token_hex(6))
        descriptor = os.open(claim.lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        _locked(descriptor, wait=True)
        # Someone who cleans up may have taken the lock first, and removed the file.
        if os.fstat(descriptor).st_nlink:
            os.write(descriptor, destination.name.encode())
            return claim, descriptor
        os.close(descriptor)


def _opened(lock: Path) -> int | None:
    try:
        return os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return None


def _locked(descriptor: int, wait: bool) -> bool:
    """Locks an open file; False where another process has it locked. The lock ends with the process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
