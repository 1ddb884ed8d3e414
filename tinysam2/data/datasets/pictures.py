"""Sequences kept as one picture a frame and one index PNG a mask, as most data sets keep them."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.data.clips import PICTURE_SUFFIXES, natural_order, picture_size, read_picture
from tinysam2.data.masks import read_mask
from tinysam2.data.sequence import VOID, AnnotatedSequence

MASK_SUFFIXES = (".png",)


class PictureSequence(AnnotatedSequence):
    """Frames and masks by name; a frame without a mask is not annotated.

    frames, masks: name -> file, in order. Raises InputError where there are none, or a mask has no frame.
    objects_begin: object id -> name of its first frame, where the data set says so; None: the masks are read for it
    when `objects` is first asked for. first_mask_only: no object appears after the first mask.
    """

    def __init__(
        self,
        name: str,
        frames: Mapping[str, Path],
        masks: Mapping[str, Path],
        objects_begin: Mapping[int, str] | None = None,
        first_mask_only: bool = False,
    ) -> None:
        self.name = name
        self.frame_names = tuple(frames)
        self._frames, self._masks = frames, masks
        self._objects_begin, self._first_mask_only = objects_begin, first_mask_only
        for mask_name, mask in masks.items():
            if mask_name not in frames:
                raise InputError(
                    f"the mask {mask} has no frame {mask_name} beside it; the sequence {name} is not whole, "
                    "or the mask is not its own"
                )

    # mypy takes a cached property for read-only, and here nobody sets it.
    @cached_property
    def objects(self) -> Mapping[int, int]:  # type: ignore[override]
        """Object id -> index of the first frame with its mask.

        Raises InputError where no mask holds an object, or none is where the data set says that it begins.
        """
        if self._objects_begin is not None:
            return {i: self._begin(i, name) for i, name in sorted(self._objects_begin.items())}
        annotated = [index for index, name in enumerate(self.frame_names) if name in self._masks]
        looked_at = annotated[: 1 if self._first_mask_only else None]
        found = first_frames((index, ids) for index in looked_at if (ids := self.ids(index)) is not None)
        if not found:
            looked = "its first mask is" if self._first_mask_only else "all its masks are"
            raise InputError(f"the sequence {self.name} has no object: {looked} empty; leave it out of the data set")
        return found

    def frame(self, index: int) -> np.ndarray:
        return read_picture(self._path(index))

    def ids(self, index: int) -> np.ndarray | None:
        mask = self._masks.get(self.frame_names[index])
        if mask is None:
            return None
        return read_mask(mask, size=picture_size(self._path(index)), allow_empty=True)

    def is_annotated(self, index: int) -> bool:
        return self.frame_names[index] in self._masks

    def _path(self, index: int) -> Path:
        return self._frames[self.frame_names[index]]

    def _begin(self, object_id: int, name: str) -> int:
        if name not in self._frames:
            raise InputError(
                f"object {object_id} of {self.name} begins in frame {name}, which the sequence has not got"
            )
        index = self.frame_names.index(name)
        ids = self.ids(index)
        if ids is None or not (ids == object_id).any():
            raise InputError(
                f"object {object_id} of {self.name} begins in frame {name}, but is in no mask of that frame"
            )
        return index


def first_frames(masks: Iterable[tuple[int, np.ndarray]]) -> dict[int, int]:
    """Object id -> index of the first frame whose ids [H, W] hold it, by id; masks: a frame's index and its ids."""
    found: dict[int, int] = {}
    for index, ids in masks:
        [present] = np.nonzero(np.bincount(ids.ravel(), minlength=VOID + 1)[1:VOID])
        for i in present + 1:
            found.setdefault(int(i), index)
    return dict(sorted(found.items()))


def files_by_name(folder: Path, what: str, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> dict[str, Path]:
    """The files of these suffixes in a folder, by stem, in natural order (2 before 10); hidden ones are left out.

    what: "frames" or "masks", for messages. Raises InputError where there are none, or two have one stem.
    """
    if not folder.is_dir():
        raise InputError(f"the folder of {what} {folder} does not exist; a sequence needs both frames and masks")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=natural_order):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        other = found.setdefault(path.stem, path)
        if other is not path:
            raise InputError(f"the folder {folder} holds both {other.name} and {path.name}; keep one file a frame")
    if not found:
        raise InputError(f"the folder {folder} holds no {what}; put {', '.join(suffixes)} files in it")
    return found


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; hidden ones are left out, and a folder that does not exist has none."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=natural_order)
