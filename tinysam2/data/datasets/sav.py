"""SA-V's training set as published: videos at 24 frames a second, masks of every fourth frame as run lengths in JSON.

Source: sav_dataset/README.md of https://github.com/facebookresearch/sam2. An object's id is its masklet_id, which
begins at 0, plus 1. Masks of SA-V may overlap, as a hand's and its person's do, and an index mask cannot: the masklet
that is smaller over the whole video lies on top. One that is covered wherever it is seen is therefore no object.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json
from tinysam2.data.clips import natural_order
from tinysam2.data.datasets.pictures import first_frames
from tinysam2.data.datasets.rle import decode_rle, run_lengths
from tinysam2.data.seeking import DecodedFrames
from tinysam2.data.sequence import VOID, AnnotatedSequence
from tinysam2.data.video import Video, open_video

ANNOTATED_EVERY = 4
LONGEST_SIDE, MOST_FRAMES = 2**14, 10**6
"""More is a damaged number; masks of that size would fill the memory."""

KINDS = ("manual", "auto")
"""Endings of the annotation files; where a video has both, the first is read."""

FOLDERS = ("", "*/")
"""Where the files lie: in the data set's folder or one below, as sav_train/sav_000 does."""


@dataclass(frozen=True, eq=False)
class Masklets:
    """One annotation file. ids: by object; runs: by annotated frame and object, compressed."""

    path: Path
    frame_count: int
    width: int
    height: int
    ids: tuple[int, ...]
    runs: tuple[tuple[str, ...], ...]

    @cached_property
    def order(self) -> list[int]:
        """The objects' places in `ids`, from the largest to the smallest by their mean area where they are seen."""
        areas = np.array(
            [[self._lengths(row, i)[1::2].sum() for i in range(len(self.ids))] for row in range(len(self.runs))]
        )
        seen = np.maximum(np.count_nonzero(areas, axis=0), 1)
        return np.argsort(-areas.sum(axis=0) / seen, kind="stable").tolist()

    def painted(self, row: int) -> np.ndarray:
        """The object ids [height, width], uint8, of an annotated frame; row: its number among those."""
        ids = np.zeros((self.height, self.width), np.uint8)
        for i in self.order:
            with self._named(row, i):
                ids[decode_rle(self.runs[row][i], self.height, self.width)] = self.ids[i]
        return ids

    def _lengths(self, row: int, i: int) -> np.ndarray:
        with self._named(row, i):
            return run_lengths(self.runs[row][i])

    @contextmanager
    def _named(self, row: int, i: int) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise InputError(
                f"the mask of masklet {self.ids[i] - 1} in frame {row * ANNOTATED_EVERY} of {self.path} is damaged: "
                f"{error}; name a whole annotation file"
            ) from error


class SavSequence(AnnotatedSequence):
    """A video and its masklets, both read when they are first asked for.

    A frame costs the decoding from the keyframe before it. decoded: frames that are kept, which sequences share.
    """

    def __init__(self, video: Path, annotation: Path, decoded: DecodedFrames) -> None:
        self.name = video.stem
        self._video_path, self._annotation_path = video, annotation
        self._decoded = decoded

    # mypy takes a cached property for read-only, and here nobody sets it.
    @cached_property
    def frame_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f"{index:05d}" for index in range(self._masklets.frame_count))

    # mypy takes a cached property for read-only, and here nobody sets it.
    @cached_property
    def objects(self) -> Mapping[int, int]:  # type: ignore[override]
        """Object id -> index of the first frame with its mask. Raises InputError where there is no object."""
        rows = range(len(self._masklets.runs))
        found = first_frames((row * ANNOTATED_EVERY, self._masklets.painted(row)) for row in rows)
        if not found:
            raise InputError(f"the sequence {self.name} has no object: all masks in {self._annotation_path} are empty")
        return found

    def frame(self, index: int) -> np.ndarray:
        return self._decoded.frame(self._video, index)

    def is_annotated(self, index: int) -> bool:
        row, between = divmod(index, ANNOTATED_EVERY)
        return not between and row < len(self._masklets.runs)

    def ids(self, index: int) -> np.ndarray | None:
        return self._masklets.painted(index // ANNOTATED_EVERY) if self.is_annotated(index) else None

    @cached_property
    def _masklets(self) -> Masklets:
        return read_masklets(self._annotation_path)

    @cached_property
    def _video(self) -> Video:
        video, masklets = open_video(self._video_path), self._masklets
        if (video.width, video.height) != (masklets.width, masklets.height):
            raise InputError(
                f"{self._video_path} is {video.width}x{video.height}, but its masks in {masklets.path.name} are "
                f"{masklets.width}x{masklets.height}; both must be equal"
            )
        if video.frame_count is not None and video.frame_count != masklets.frame_count:
            raise InputError(
                f"{self._video_path} has {video.frame_count} frames, "
                f"but {masklets.path.name} is of {masklets.frame_count}; "
                "name a whole video of its own"
            )
        return video


def is_sav(folder: Path) -> bool:
    return any(_files(folder, f"_{kind}.json") for kind in KINDS)


def read_sav(folder: Path) -> tuple[SavSequence, ...]:
    """Every video in the folder, and in those in it, with its annotation.

    Raises InputError where a video lacks its annotation or the other way round, or two have one name.
    """
    videos = _files(folder, ".mp4")
    annotations = {kind: _files(folder, f"_{kind}.json") for kind in KINDS}
    for files in annotations.values():
        for path, file in files.items():
            if path not in videos:
                raise InputError(f"the annotation {file} has no video {path.name}.mp4 beside it")
    names: dict[str, Path] = {}
    sequences, decoded = [], DecodedFrames()
    for path, video in videos.items():
        annotation = next((files[path] for files in annotations.values() if path in files), None)
        if annotation is None:
            raise InputError(f"the video {video} has no {path.name}_manual.json or {path.name}_auto.json beside it")
        if path.name in names:
            raise InputError(f"{names[path.name]} and {video} have one name; a sequence's name must be its own")
        names[path.name] = video
        sequences.append(SavSequence(video, annotation, decoded))
    return tuple(sequences)


def read_masklets(path: Path) -> Masklets:
    """What an annotation file holds; its run lengths are not yet decoded.

    Raises InputError where the file is not of this form, or its parts do not fit each other.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
        found = Masklets(
            path,
            frame_count=int(data["video_frame_count"]),
            width=int(data["video_width"]),
            height=int(data["video_height"]),
            ids=tuple(int(i) + 1 for i in data["masklet_id"]),
            runs=tuple(tuple(mask["counts"] for mask in row) for row in data["masklet"]),
        )
        sizes = {tuple(mask["size"]) for row in data["masklet"] for mask in row}
    except (AttributeError, KeyError, OSError, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not a whole annotation file of SA-V; name one with masklets and their ids"
        ) from error
    sides, frames = (found.width, found.height), found.frame_count
    if not (all(0 < side <= LONGEST_SIDE for side in sides) and 0 < frames <= MOST_FRAMES):
        raise InputError(
            f"{path} is not of a video with 1 to {MOST_FRAMES} frames and sides of 1 to {LONGEST_SIDE} pixels; "
            "name a whole annotation file"
        )
    if not (found.runs and found.ids):
        raise InputError(f"{path} holds no masklet; leave its video out of the data set")
    if not all(0 < i < VOID for i in found.ids) or len(set(found.ids)) < len(found.ids):
        raise InputError(f"{path} has masklet ids {data['masklet_id']}; each must be its own, from 0 to {VOID - 2}")
    if any(len(row) != len(found.ids) for row in found.runs):
        raise InputError(f"{path} names {len(found.ids)} masklets, but not every frame has as many masks")
    if sizes != {(found.height, found.width)}:
        raise InputError(f"{path} is of a video of {found.width}x{found.height}, but has masks of another size")
    if (len(found.runs) - 1) * ANNOTATED_EVERY >= found.frame_count:
        raise InputError(
            f"{path} has masks of {len(found.runs)} frames, but a video of {found.frame_count} frames has at most "
            f"{-(-found.frame_count // ANNOTATED_EVERY)}: every fourth is annotated"
        )
    return found


def _files(folder: Path, ending: str) -> dict[Path, Path]:
    """The files whose names end so, by their paths without that ending."""
    found = [path for below in FOLDERS for path in folder.glob(f"{below}*{ending}") if not path.name.startswith(".")]
    return {path.with_name(path.name.removesuffix(ending)): path for path in sorted(found, key=natural_order)}
