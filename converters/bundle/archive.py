"""A bundle's zip: equal folders give equal bytes, whenever and wherever they were written."""

import zipfile
from pathlib import Path

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the earliest that a zip can hold."""

MODE = 0o100644 << 16
"""Every entry is a regular file that its owner may write and all may read."""


def write_zip(folder: Path, root: str, path: Path) -> None:
    """Writes the files of a folder into a zip, each under the name `root`, in the order of their paths."""
    files = {f"{root}/{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*") if file.is_file()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, MODE
            archive.writestr(entry, file.read_bytes(), compresslevel=6)
