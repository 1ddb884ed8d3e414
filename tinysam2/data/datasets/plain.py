"""This project's own layout: SEQUENCE/frames and SEQUENCE/masks, as `tinysam2 sample-clip` writes them."""

from pathlib import Path

from tinysam2.data.datasets.pictures import MASK_SUFFIXES, PictureSequence, files_by_name, subfolders


def is_plain(folder: Path) -> bool:
    """Whether the folder is a sequence, or holds at least one."""
    return _is_sequence(folder) or any(map(_is_sequence, subfolders(folder)))


def read_plain(folder: Path) -> tuple[PictureSequence, ...]:
    """Every folder in a data set as a sequence, or the one sequence that the folder is.

    Raises InputError where one is not whole.
    """
    folders = [folder.resolve()] if _is_sequence(folder) else subfolders(folder)
    return tuple(
        PictureSequence(
            sequence.name,
            files_by_name(sequence / "frames", "frames"),
            files_by_name(sequence / "masks", "masks", MASK_SUFFIXES),
        )
        for sequence in folders
    )


def _is_sequence(folder: Path) -> bool:
    return (folder / "frames").is_dir() and (folder / "masks").is_dir()
