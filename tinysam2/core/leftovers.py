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

from tinysam2.core.replacing import put_in_place, sync

_HIDDEN = re.compile(r"\.([0-9a-f]{12})\.(?:lock|commit|commit-partial|former.*|partial.*)", re.DOTALL)

_LONGEST_LOCK = 2**16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The hidden names in a folder that one writer uses for outputs that take their places together.

    places: the outputs' own names. partials: what is being written. formers: whole former outputs that have stepped
    aside. lock: names the places, and is locked by its writer for as long as that lives. commit: where it exists, every
    partial is whole and goes to its place, whatever happens; it holds their inode numbers, which tell what has gone.
    """

    places: tuple[Path, ...]
    token: str

    @property
    def partials(self) -> tuple[Path, ...]:
        # Converters choose a form by the suffix.
        return tuple(
            place.with_name(f".{self.token}.partial{number or ''}{place.suffix}")
            for number, place in enumerate(self.places)
        )

    @property
    def formers(self) -> tuple[Path, ...]:
        return tuple(self._hidden(f"former{number or ''}") for number in range(len(self.places)))

    @property
    def lock(self) -> Path:
        return self._hidden("lock")

    @property
    def commit(self) -> Path:
        return self._hidden("commit")

    @property
    def _noted(self) -> Path:
        """What becomes the commit."""
        return self._hidden("commit-partial")

    def put(self) -> None:
        """Puts everything in its place: all of it, or nothing where an exception comes before the commit is written."""
        if self.places[0].is_dir() or len(self.places) > 1:
            # Whoever finds what has stepped aside, or a commit, reads in the lock file where it belongs.
            sync(self.lock)
        if len(self.places) == 1:
            # One rename, or two that `recover` knows how to take back, need no commit.
            put_in_place(self.partials[0], self.places[0], self.formers[0])
            return
        noted = self._noted
        noted.write_text(" ".join(str(partial.stat().st_ino) for partial in self.partials), encoding="ascii")
        sync(noted)
        os.replace(noted, self.commit)
        sync(self.commit.parent)
        try:
            self.complete()
        finally:
            # Interrupted: what has begun is ended. What fails again is left for `recover`.
            if self.commit.exists():
                self.complete()

    def complete(self) -> None:
        """Puts what a commit names, and is not there yet, in its place."""
        inodes = [int(word) for word in self.commit.read_text(encoding="ascii").split()]
        for inode, partial, place, former in zip(inodes, self.partials, self.places, self.formers, strict=True):
            if partial.exists() and not (place.exists() and place.stat().st_ino == inode):
                put_in_place(partial, place, former)
        self.commit.unlink()

    def clear(self) -> None:
        """Removes what lies under these names, except a former output whose place is still empty."""
        if self.commit.exists():
            return
        remove(self._noted)
        for partial, place, former in zip(self.partials, self.places, self.formers, strict=True):
            remove(partial)
            if former.exists() and place.exists():
                # Under the other name first: what bears the name `former` is always whole.
                os.replace(former, partial)
                remove(partial)
        self.lock.unlink(missing_ok=True)

    def _hidden(self, kind: str) -> Path:
        return self.places[0].with_name(f".{self.token}.{kind}")


@contextmanager
def claimed(places: tuple[Path, ...]) -> Iterator[Claim]:
    """Hidden names for one writer of outputs in one folder. Leaving the block removes what lies under them."""
    claim, descriptor = _claim(places)
    try:
        yield claim
    finally:
        try:
            claim.clear()
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
                _recover(folder, token, os.read(descriptor, _LONGEST_LOCK).decode() if descriptor is not None else "")
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


def _recover(folder: Path, token: str, names: str) -> None:
    """names: of the places, `/` between them; none where the lock is gone, or was not written yet."""
    if names:
        claim = Claim(tuple(folder / name for name in names.split("/")), token)
        if claim.commit.exists():
            claim.complete()
            _log.warning(
                "put %s in place, as a command that was killed had begun to", ", ".join(map(str, claim.places))
            )
        for place, former in zip(claim.places, claim.formers, strict=True):
            if former.exists() and not place.exists():
                os.replace(former, place)
                _log.warning("brought back %s, which a command that was killed had moved aside", place)
        for path in filter(Path.exists, claim.formers):
            _log.warning("removed %s, which a command that was killed had left behind", path)
    for path in (*folder.glob(f".{token}.partial*"), *folder.glob(f".{token}.commit-partial")):
        remove(path)
        _log.warning("removed %s, which a command that was killed had left behind", path)
    if names:
        claim.clear()


def _claim(places: tuple[Path, ...]) -> tuple[Claim, int]:
    while True:
        claim = Claim(places, secrets.token_hex(6))
        descriptor = os.open(claim.lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        _locked(descriptor, wait=True)
        # Someone who cleans up may have taken the lock first, and removed the file.
        if os.fstat(descriptor).st_nlink:
            os.write(descriptor, "/".join(place.name for place in places).encode())
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
