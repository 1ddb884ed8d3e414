"""DAVIS 2016 and 2017 as published: pictures and masks by resolution, and lists of sequences by split.

Sources: https://davischallenge.org; which objects count, davis2017/davis.py of
https://github.com/davisvideochallenge/davis2017-evaluation.
"""

from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.data.datasets.pictures import MASK_SUFFIXES, PictureSequence, files_by_name, subfolders

LISTS = ("2017", "2016", "480p", "1080p")
"""Folders of lists, the first that has a split first; those named by a resolution list files, the others sequences."""

RESOLUTIONS = ("480p", "1080p", "Full-Resolution")
"""Folders of pictures, the one that results are published for first."""


def is_davis(folder: Path) -> bool:
    return any((folder / "JPEGImages" / resolution).is_dir() for resolution in RESOLUTIONS)


def davis_splits(folder: Path) -> tuple[str, ...]:
    """The names of the splits that the data set lists ("train", "val", "test-dev").

    Raises InputError where it has no lists.
    """
    found = dict.fromkeys(file.stem for name in LISTS for file in sorted((folder / "ImageSets" / name).glob("*.txt")))
    if not found:
        raise InputError(f"{folder} has no lists of sequences; ImageSets/2017/val.txt or ImageSets/480p/val.txt is one")
    return tuple(found)


def read_davis(folder: Path, split: str) -> tuple[PictureSequence, ...]:
    """The sequences that a split lists, in its order, with the objects of their first masks.

    Raises InputError where the list is empty or names what is not there, or a sequence is not whole.
    """
    file = next(path for name in LISTS if (path := folder / "ImageSets" / name / f"{split}.txt").is_file())
    listed = _read_list(file)
    named = (file.parent.name, *RESOLUTIONS)
    resolution = next(name for name in named if (folder / "JPEGImages" / name).is_dir())
    pictures, annotations = (folder / kind / resolution for kind in ("JPEGImages", "Annotations"))
    return tuple(
        _read_sequence(pictures / name, annotations / name, frame_names, file) for name, frame_names in listed.items()
    )


def _read_list(file: Path) -> dict[str, list[str]]:
    """Sequence name -> the frames that the list names of it; none where it names sequences only."""
    listed: dict[str, list[str]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"the list {file} is no text that can be read; it names one sequence a line") from error
    for line in lines:
        if not line.strip():
            continue
        entry = Path(line.split()[0])
        if entry.suffix:
            listed.setdefault(entry.parent.name, []).append(entry.stem)
        else:
            listed.setdefault(entry.name, [])
    if not listed:
        raise InputError(f"the list {file} is empty; it names one sequence or one frame a line")
    return listed


def _read_sequence(pictures: Path, annotations: Path, frame_names: list[str], file: Path) -> PictureSequence:
    if pictures.name not in {folder.name for folder in subfolders(pictures.parent)}:
        raise InputError(f"the list {file} names {pictures.name}, but there is no folder {pictures}")
    frames = files_by_name(pictures, "frames")
    missing = [name for name in frame_names if name not in frames]
    if missing:
        raise InputError(f"the list {file} names frame {missing[0]} of {pictures.name}, but it is not in {pictures}")
    masks = files_by_name(annotations, "masks", MASK_SUFFIXES)
    # The masks of the test splits are not public: there the first one is all.
    unmasked = [name for name in frames if name not in masks]
    if unmasked and list(masks) != list(frames)[:1]:
        raise InputError(
            f"frame {unmasked[0]} of {pictures.name} has no mask in {annotations}; DAVIS annotates every one"
        )
    return PictureSequence(pictures.name, frames, masks, first_mask_only=True)
