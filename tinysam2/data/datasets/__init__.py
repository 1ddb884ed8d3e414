"""Annotated data sets of video, and their published layouts as data: name -> how to know and to read it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.data.datasets.davis import davis_splits, is_davis, read_davis
from tinysam2.data.datasets.pictures import subfolders
from tinysam2.data.datasets.plain import is_plain, read_plain
from tinysam2.data.datasets.sav import is_sav, read_sav
from tinysam2.data.datasets.youtube_vos import is_youtube_vos, read_youtube_vos
from tinysam2.data.sequence import AnnotatedSequence


@dataclass(frozen=True)
class Layout:
    """looks: what the folder holds, for messages. read takes the folder, and the split where there are `splits`;
    those of a layout without are folders, each a data set."""

    looks: str
    recognises: Callable[[Path], bool]
    read: Callable[..., tuple[AnnotatedSequence, ...]]
    splits: Callable[[Path], tuple[str, ...]] | None = None


LAYOUTS = {
    "plain": Layout("SEQUENCE/frames and SEQUENCE/masks", is_plain, read_plain),
    "davis": Layout("JPEGImages/480p, Annotations/480p and ImageSets", is_davis, read_davis, davis_splits),
    "youtube-vos": Layout("JPEGImages/SEQUENCE and Annotations/SEQUENCE", is_youtube_vos, read_youtube_vos),
    "sav": Layout("VIDEO.mp4 and VIDEO_manual.json", is_sav, read_sav),
}
"""The first that recognises a folder is taken: YouTube-VOS's folders are DAVIS's without the resolution."""


def open_dataset(path: Path, split: str | None = None, layout: str | None = None) -> tuple[AnnotatedSequence, ...]:
    """The sequences of a data set, or of one split of it; names and counts are checked, pixels are read later.

    split: needed where there are several. layout: a name in `LAYOUTS`; None: the one that the folder has.
    Raises InputError where the folder is no data set, the split is not there, or a sequence is not whole.
    """
    if not path.is_dir():
        wrong = "is a file" if path.exists() else "does not exist"
        raise InputError(f"the data set {path} {wrong}; name a folder")
    if layout is not None and layout not in LAYOUTS:
        raise InputError(f"unknown layout '{layout}'; the layouts are {', '.join(LAYOUTS)}")
    candidates = [entry for name, entry in LAYOUTS.items() if layout in (None, name)]

    found = _layout_of(path, candidates)
    if found and found.splits:
        return _sequences(path, found.read(path, _chosen(path, found.splits(path), split)))
    if found:
        if split is not None:
            raise InputError(f"the data set {path} has no splits, so none is '{split}'; leave the split out")
        return _sequences(path, found.read(path))

    parts = {part.name: entry for part in subfolders(path) if (entry := _layout_of(part, candidates))}
    if not parts:
        looks = "; or ".join(entry.looks for entry in candidates)
        raise InputError(f"{path} is no data set that can be read; one holds {looks}")
    part = _chosen(path, tuple(parts), split)
    return open_dataset(path / part, None, layout)


def _layout_of(folder: Path, candidates: list[Layout]) -> Layout | None:
    return next((entry for entry in candidates if entry.recognises(folder)), None)


def _chosen(path: Path, splits: tuple[str, ...], split: str | None) -> str:
    if split in splits:
        return split
    if split is None and len(splits) == 1:
        return splits[0]
    there = f"its splits are {', '.join(splits)}"
    if split is None:
        raise InputError(f"the data set {path} has several splits; name one: {there}")
    raise InputError(f"the data set {path} has no split '{split}'; {there}")


def _sequences(path: Path, sequences: tuple[AnnotatedSequence, ...]) -> tuple[AnnotatedSequence, ...]:
    if not sequences:
        raise InputError(f"the data set {path} is empty; put at least one sequence in it")
    return sequences
