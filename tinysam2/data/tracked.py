"""Objects as a tracker finds them on a frame, and what every tracker offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinysam2.data.prompts import Prompt


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """One object on one frame: logits [H, W] at the frame's size (object above 0), predicted IoU of the mask in
    0..1, and the logit of the object being in the frame."""

    logits: np.ndarray
    iou: float
    object_score: float

    @property
    def mask(self) -> np.ndarray:
        """bool [H, W]: where the object is."""
        return self.logits > 0


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """All objects on one frame, by their ids. Their masks may overlap; `ids` says whose each pixel is."""

    objects: Mapping[int, TrackedObject]
    width: int
    height: int

    @property
    def ids(self) -> np.ndarray:
        """uint8 [H, W]: the id of the object at each pixel, the most certain where several are; 0: none."""
        composed = np.zeros((self.height, self.width), np.uint8)
        best = np.zeros((self.height, self.width), np.float32)
        for object_id, tracked in self.objects.items():
            nearer = tracked.logits > best
            composed[nearer] = object_id
            best[nearer] = tracked.logits[nearer]
        return composed


class ObjectTracker(Protocol):
    """Follows objects through a video, as `tinysam2.mobile_runtime.tracker.Tracker` does."""

    def track(self, frame: np.ndarray, prompts: Mapping[int, Prompt] | None = None) -> TrackedFrame:
        """The objects on the next frame, uint8 RGB [H, W, 3]; prompts by object id."""

    def segment(self, image: np.ndarray, prompts: Mapping[int, Prompt]) -> TrackedFrame:
        """The prompted objects on one image alone; the tracker's memory stays as it is."""
