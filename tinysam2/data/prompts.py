"""What a user says of an object on a frame: points, a box or a mask."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tinysam2.core.contract import MAX_POINTS
from tinysam2.core.errors import InputError


@dataclass(frozen=True)
class Point:
    """A click in pixels of the frame; positive: on the object, else on what it is not."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Box:
    """Left, top, right and bottom of the object in pixels of the frame."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, eq=False)
class Prompt:
    """Everything said of one object on one frame: points and at most one box, or a mask [H, W] of the frame's size
    (object where it is not 0), which is taken as the answer."""

    points: tuple[Point, ...] = ()
    box: Box | None = None
    mask: np.ndarray | None = None

    def check(self, width: int, height: int) -> None:
        """Raises InputError where this cannot be said of a frame of that size."""
        if self.mask is not None:
            self._check_mask(self.mask, width, height)
            return
        count = len(self.points) + (2 if self.box else 0)
        if count == 0:
            raise InputError("the prompt says nothing; give a point, a box or a mask")
        if count > MAX_POINTS:
            raise InputError(
                f"the prompt has {len(self.points)} points{' and a box' if self.box else ''}; "
                f"a frame takes at most {MAX_POINTS}, of which a box counts as two"
            )
        size = f"the frame, which is {width}x{height}"
        for point in self.points:
            if not (0 <= point.x < width and 0 <= point.y < height):
                raise InputError(f"point {point.x:g},{point.y:g} lies outside {size}")
        if self.box:
            box = self.box
            text = f"box {box.x0:g},{box.y0:g},{box.x1:g},{box.y1:g}"
            if not (box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height):
                raise InputError(f"{text} reaches outside {size}")
            if box.x0 >= box.x1 or box.y0 >= box.y1:
                raise InputError(f"{text} is empty; give left,top,right,bottom with left < right and top < bottom")

    def _check_mask(self, mask: np.ndarray, width: int, height: int) -> None:
        if self.points or self.box:
            raise InputError("the prompt has a mask beside points or a box; give one or the other")
        if mask.shape != (height, width):
            raise InputError(
                f"the mask is {'x'.join(str(n) for n in mask.shape[::-1])}; the frame is {width}x{height}, "
                "and a mask must be of its size"
            )
        if not mask.any():
            raise InputError("the mask is empty; it must mark at least one pixel")


@dataclass(frozen=True, eq=False)
class FramePrompts:
    """What is asked on one frame. prompts: by object id (1 to 255); removed: ids of objects that are forgotten before
    the frame is tracked."""

    prompts: Mapping[int, Prompt] = field(default_factory=dict)
    removed: tuple[int, ...] = ()


def prompts_of_mask(ids: np.ndarray) -> dict[int, Prompt]:
    """A mask prompt for each object in an index mask [H, W], by the ids in it; 0 is no object."""
    return {int(object_id): Prompt(mask=ids == object_id) for object_id in np.unique(ids[ids > 0])}
