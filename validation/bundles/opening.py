"""A bundle, folder or zip, as a folder to read from."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.manifest import MANIFEST
from tinysam2.validation.bundles.archive import unpack


@contextmanager
def opened_bundle(path: Path) -> Iterator[Path]:
    """The bundle's folder, within the block; a zip is unpacked for its time.

    Raises InputError where there is no bundle, or the zip is refused or damaged.
    """
    if path.is_dir():
        yield _with_manifest(path, path)
    elif path.is_file():
        with tempfile.TemporaryDirectory(prefix="tinysam2-") as folder:
            yield _with_manifest(unpack(path, Path(folder)), path)
    else:
        raise InputError(f"{path} does not exist; name a bundle's folder or zip")


def _with_manifest(folder: Path, path: Path) -> Path:
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{path} is no bundle: it holds no {MANIFEST}; name a folder or zip of `tinysam2 ship`")
    return folder
