"""Annotated videos as training takes them: square frames and masks, kept in memory up to a limit."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.other_filters import CONTRACT, resized
from tinysam2.data.sequence import AnnotatedSequence

CANVAS = 1.25
"""Side of a kept frame over the side of the model's input: what zooming in has left to show."""


class Footage:
    """Videos of which frames are drawn, each stretched to a square canvas.

    side: of the canvas, in pixels. cache_bytes: how much is kept in memory; what was not used longest goes first.
    Raises InputError where there are no videos.
    """

    def __init__(self, videos: Sequence[AnnotatedSequence], side: int, cache_bytes: int = 2 * 2**30) -> None:
        if not videos:
            raise InputError("there is no video to train on; name a dataset with at least one sequence")
        self.videos, self.side = tuple(videos), side
        self._cache: OrderedDict[tuple[int, int, str], tuple[np.ndarray, np.ndarray | None]] = OrderedDict()
        self._aspects: dict[int, float] = {}
        self._room = max(1, cache_bytes // (4 * side * side))

    def __len__(self) -> int:
        return len(self.videos)

    def aspect(self, video: int) -> float:
        """Width over height of a video's frames before they were stretched."""
        if video not in self._aspects:
            height, width = self.videos[video].frame(0).shape[:2]
            self._aspects[video] = width / height
        return self._aspects[video]

    def picture(self, video: int, index: int, how: str = CONTRACT) -> tuple[np.ndarray, np.ndarray | None]:
        """uint8 RGB [side, side, 3] and ids uint8 [side, side] of a frame, or None where it is not annotated.

        how: the filter that the frame is resized by (`tinysam2.data.other_filters.resized`).
        """
        key = (video, index, how)
        if key not in self._cache:
            self._cache[key] = self._read(video, index, how)
            if len(self._cache) > self._room:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def annotated(self, video: int, index: int, step: int) -> int:
        """The annotated frame nearest to an index, looking on from it by steps of 1 or -1; there must be one."""
        while not self.videos[video].is_annotated(index):
            index += step
        return index

    def _read(self, video: int, index: int, how: str) -> tuple[np.ndarray, np.ndarray | None]:
        frame = resized(self.videos[video].frame(index), self.side, how)
        ids = self.videos[video].ids(index)
        if ids is not None:
            ids = np.asarray(Image.fromarray(ids).resize((self.side, self.side), Image.Resampling.NEAREST))
        return frame, ids
