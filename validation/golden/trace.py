"""The golden loop trace: twelve small frames that take the memory bank through what an app meets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tinysam2.data.prompts import Point, Prompt
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.data.simulated_prompts import box_of_mask, deepest_pixel

WIDTH, HEIGHT, FRAMES = 90, 68, 12
"""Neither side divides a model's: resizing must be right in both directions."""

SECOND_OBJECT, OCCLUDED, CORRECTED, REMOVED = 2, 5, 9, 10
"""Frames at which the second object begins, the view is blocked, the first is corrected, the second is removed."""

LAST_FRAME_OF_CLIP = 23
"""The trace is the first frames of a clip of 24, so that objects move little between two of them."""


@dataclass(frozen=True, eq=False)
class TraceFrame:
    """One frame, uint8 RGB [H, W, 3]: objects to remove before it is tracked, and its prompts by object id."""

    frame: np.ndarray
    prompts: Mapping[int, Prompt] = field(default_factory=dict)
    remove: tuple[int, ...] = ()


def golden_trace() -> tuple[TraceFrame, ...]:
    """The trace: a prompt by box and click, a second object by mask, a blocked view, more frames than a bank has slots,
    a corrective click and a removal. The same on every call."""
    clip = render_sample_clip(LAST_FRAME_OF_CLIP + 1, (WIDTH, HEIGHT), objects=2)
    frames = []
    for index in range(FRAMES):
        frame, ids = clip.frames[index], clip.masks[index]
        prompts = {}
        if index == 0:
            prompts[1] = Prompt(points=(_click(ids == 1),), box=box_of_mask(ids == 1))
        elif index == SECOND_OBJECT:
            prompts[2] = Prompt(mask=(ids == 2).astype(np.uint8))
        elif index == CORRECTED:
            prompts[1] = Prompt(points=(_click(ids == 1), _click(ids == 2, positive=False)))
        elif index == OCCLUDED:
            frame = np.full_like(frame, 128)
        frames.append(TraceFrame(frame, prompts, (2,) if index == REMOVED else ()))
    return tuple(frames)


def _click(mask: np.ndarray, positive: bool = True) -> Point:
    # The middle of a pixel of an odd frame: scaling gives no whole number.
    x, y, _ = deepest_pixel(mask)
    return Point(x + 0.5, y + 0.5, positive)
