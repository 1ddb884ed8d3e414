"""Where the commands write: destinations that `tinysam2.core.files` alone cannot judge, checked before any work."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path, check_output_file


def check_shared_folder(folder: Path, entry: str) -> None:
    """Checks a folder that is added to, never replaced, and that a file named `entry` can be put there.

    Raises InputError where it is a file, or nothing can be written in it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write the folder {folder}: it is a file; name a folder")
    check_output_file(folder / entry)


def check_apart(output: Path, inputs: Iterable[Path | None]) -> None:
    """Raises InputError where writing `output` would replace an input, or a folder that one lies in."""
    resolved = output.resolve()
    for source in inputs:
        if source is not None and (resolved == source.resolve() or resolved in source.resolve().parents):
            raise InputError(f"the output {output} would replace the input {source}; name another output")


def put_artifacts(made: Path, folder: Path, card: Path) -> None:
    """Puts everything in the folder `made` into `folder`, each entry whole, the card that describes them last.

    card: the card's path in `folder`. Other entries of `folder` stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A card never lies beside artifacts that it does not describe, even when this is cut off in the middle.
    card.unlink(missing_ok=True)
    for entry in sorted(made.iterdir(), key=lambda entry: entry.name == card.name):
        with atomic_path(folder / entry.name) as temporary:
            if entry.is_dir():
                shutil.copytree(entry, temporary)
            else:
                shutil.copyfile(entry, temporary)
