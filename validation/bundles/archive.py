"""Unpacking a bundle's zip that may come from anywhere: what could harm is refused before anything is written."""

import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tinysam2.core.errors import InputError
from tinysam2.core.units import MIB

MOST_ENTRIES = 10_000
MOST_BYTES = 4096 * MIB
MOST_RATIO = 100
"""Limits on an archive: entries, bytes when unpacked, and how many times its own size that may be. Bundles hold less
than a thousand entries and unpack to at most three times their size."""

RATIO_FREE = MIB
"""Bytes up to which the ratio does not count: so little harms nobody."""

ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def unpack(path: Path, folder: Path) -> Path:
    """Unpacks a bundle's zip into an empty folder and returns the one folder that it holds.

    Raises InputError, with nothing written, where an entry's name is absolute, leads out or is ambiguous, an entry is
    a link, encrypted or twice there (also by letter case), or there is too much of it; and where it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            root = _check(path, entries)
            for entry in entries:
                if not entry.is_dir():
                    _unpack_entry(archive, entry, folder / entry.filename)
            return folder / root
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise InputError(f"{path} is a damaged zip ({error}); fetch the bundle again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be unpacked ({error.strerror or error}); fetch the bundle again") from error


def _check(path: Path, entries: Iterable[zipfile.ZipInfo]) -> str:
    """The archive's one top folder."""
    entries = list(entries)
    if not entries:
        raise InputError(f"{path} is an empty zip; a bundle's holds one folder")
    if len(entries) > MOST_ENTRIES:
        raise InputError(f"{path} has {len(entries)} entries; a bundle has at most {MOST_ENTRIES}")
    _check_size(path, entries)
    seen: dict[str, str] = {}
    for entry in entries:
        _check_name(path, entry.orig_filename)
        _check_kind(path, entry)
        key = unicodedata.normalize("NFC", entry.filename.rstrip("/")).casefold()
        if key in seen:
            raise InputError(
                f"{path} holds {entry.filename!r} and {seen[key]!r}, one name twice; it is no bundle's zip"
            )
        seen[key] = entry.filename
    files = {unicodedata.normalize("NFC", entry.filename).casefold() for entry in entries if not entry.is_dir()}
    for key, name in seen.items():
        if within := next((str(parent) for parent in PurePosixPath(key).parents if str(parent) in files), None):
            raise InputError(f"{path} holds {name!r} within {within!r}, which is a file; it is no bundle's zip")
    roots = sorted({entry.filename.partition("/")[0] for entry in entries})
    if len(roots) > 1 or roots[0].casefold() in files:
        raise InputError(f"{path} holds {', '.join(roots[:3])}; a bundle's zip holds one folder")
    return roots[0]


def _check_size(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    unpacked, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > MOST_BYTES:
        raise InputError(f"{path} unpacks to {unpacked // MIB} MiB; a bundle has at most {MOST_BYTES // MIB} MiB")
    if unpacked > RATIO_FREE and unpacked > MOST_RATIO * packed:
        raise InputError(
            f"{path} unpacks to {unpacked / packed:.0f} times its size; a bundle's zip does to at most {MOST_RATIO}"
        )


def _check_name(path: Path, name: str) -> None:
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise InputError(f"{path} holds the absolute name {name!r}; a bundle's names lie within its folder")
    if any(part in ("", ".", "..") for part in parts):
        raise InputError(f"{path} holds the name {name!r}, which may lead out of its folder; it is no bundle's zip")
    if "\\" in name or ":" in name or any(ord(letter) < 32 for letter in name):
        raise InputError(f"{path} holds the name {name!r}, which systems read differently; it is no bundle's zip")


def _check_kind(path: Path, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise InputError(f"{path} holds {entry.filename!r}, which is a link; a bundle holds files only")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{path} holds {entry.filename!r}, which is a device or a pipe; a bundle holds files only")
    if entry.flag_bits & ENCRYPTED:
        raise InputError(f"{path} holds {entry.filename!r} encrypted; a bundle's zip is not")
    if entry.compress_type not in METHODS:
        raise InputError(f"{path} holds {entry.filename!r} by an unusual compression; a bundle's zip is deflated")


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # zipfile stops at the size that the entry declares, whatever its data would unpack to.
    with archive.open(entry) as source, target.open("xb") as file:
        while block := source.read(MIB):
            file.write(block)
