"""An annotated video, whatever layout it was published in: what every reader gives and every consumer takes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

VOID = 255
"""The id of pixels that belong to no object and are not scored."""


class AnnotatedSequence(ABC):
    """One video and its masks, read a frame at a time.

    name: the sequence's, unique in its dataset. frame_names: one stem a frame, in order ("00000", ...), which a
    benchmark's result masks carry too. objects: object id -> index of the first frame with its mask, from which on
    it is tracked and scored.
    """

    name: str
    frame_names: tuple[str, ...]
    objects: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.frame_names)

    @abstractmethod
    def frame(self, index: int) -> np.ndarray:
        """uint8 RGB [H, W, 3]. Raises InputError, naming the file, where it cannot be read."""

    @abstractmethod
    def ids(self, index: int) -> np.ndarray | None:
        """uint8 [H, W]: the object's id at each pixel, 0: none, `VOID`: void; None: this frame has no annotation.

        Raises InputError, naming the file, where it cannot be read or is not of its frame's size.
        """

    def is_annotated(self, index: int) -> bool:
        """Whether a frame has an annotation; readers that can tell without its mask override this."""
        return self.ids(index) is not None


class FirstFrames(AnnotatedSequence):
    """At most `count` frames of a sequence, from where its first object begins, and the objects that begin in them."""

    def __init__(self, sequence: AnnotatedSequence, count: int) -> None:
        self._sequence = sequence
        self._start = min(sequence.objects.values(), default=0)
        self.name = sequence.name
        self.frame_names = sequence.frame_names[self._start : self._start + count]
        self.objects = {
            object_id: first - self._start
            for object_id, first in sequence.objects.items()
            if first - self._start < len(self.frame_names)
        }

    def frame(self, index: int) -> np.ndarray:
        return self._sequence.frame(self._start + index)

    def ids(self, index: int) -> np.ndarray | None:
        return self._sequence.ids(self._start + index)

    def is_annotated(self, index: int) -> bool:
        return self._sequence.is_annotated(self._start + index)
