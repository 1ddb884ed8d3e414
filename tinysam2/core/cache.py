"""The cache: what is made from the same inputs is made once, and kept in the user's cache folder."""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path, bytes_in, sha256_of_folder
from tinysam2.core.leftovers import recover, remove
from tinysam2.core.units import GIB

FOLDER = "TINYSAM2_CACHE"
"""The environment variable that names the cache's folder."""

LIMIT = 2 * GIB
"""Bytes that the cache may take."""

_CONTENT, _SEAL = "content", "sha256"
_KEY = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """`TINYSAM2_CACHE`, else `tinysam2` in `XDG_CACHE_HOME`, else `~/.cache/tinysam2`."""
    if named := environment.get(FOLDER):
        return Path(named)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinysam2"


class Cache:
    """Folders of files, each under the sha256 of all that its content depends on.

    An entry is written whole or not at all and checked by sha256 whenever it is read. Beyond `limit` bytes those used
    longest ago are dropped. Several processes may share a cache. It never makes a command fail: what cannot be read or
    kept is logged as a warning.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder, limit

    def fetch(self, key: str, place: Path) -> bool:
        """Copies an entry's content to the new folder `place`; False, and no folder, where there is no sound one."""
        entry = self.folder / key
        if not entry.is_dir():
            return False
        try:
            shutil.copytree(entry / _CONTENT, place, copy_function=shutil.copyfile)
            # The copy is checked: it is what will be used, whoever replaces or drops the entry meanwhile.
            if sha256_of_folder(place) == (entry / _SEAL).read_text(encoding="ascii", errors="replace"):
                os.utime(entry)
                return True
            reason = "sha256 differs"
        except OSError as error:
            reason = error.strerror or str(error)
        remove(place)
        # Another process may just have dropped it.
        if entry.is_dir():
            _log.warning("the cache entry %s is damaged (%s); it is made again", entry, reason)
            _drop(entry)
        return False

    def keep(self, key: str, files: Mapping[str, Path]) -> None:
        """Keeps copies of files and folders, by their names in the entry."""
        try:
            recover(self.folder)
            with atomic_path(self.folder / key) as temporary:
                content = temporary / _CONTENT
                content.mkdir(parents=True)
                for name, source in files.items():
                    if source.is_dir():
                        shutil.copytree(source, content / name, copy_function=shutil.copyfile)
                    else:
                        shutil.copyfile(source, content / name)
                (temporary / _SEAL).write_text(sha256_of_folder(content), encoding="ascii")
            self._trim()
        except (OSError, InputError) as error:
            _log.warning("nothing is kept in the cache %s: %s", self.folder, error)

    def _trim(self) -> None:
        entries = [path for path in self.folder.iterdir() if _KEY.fullmatch(path.name)]
        sizes = {entry: bytes_in(entry) for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime)}
        taken = sum(sizes.values())
        for entry, size in sizes.items():
            if taken <= self.limit:
                return
            _drop(entry)
            taken -= size


def _drop(entry: Path) -> None:
    # Without its seal nobody takes what is left for an entry that is whole.
    with contextlib.suppress(OSError):
        (entry / _SEAL).unlink(missing_ok=True)
    remove(entry)
