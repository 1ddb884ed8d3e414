"""Prompts that a user would give, made from an object's true mask: the mask itself, its box, or clicks."""

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from tinysam2.data.prompt_kinds import checked_prompt
from tinysam2.data.prompts import Box, Point, Prompt
from tinysam2.data.tracked import ObjectTracker

CLICKS = {"click-1": 1, "click-3": 3}
"""Kind of prompt -> how many clicks it is."""


def simulated_prompts(
    kind: str, tracker: ObjectTracker, frame: np.ndarray, masks: Mapping[int, np.ndarray]
) -> dict[int, Prompt]:
    """A prompt for each object that begins on a frame, by the objects' ids.

    kind: mask, box, click-1 or click-3. frame: uint8 RGB [H, W, 3]; masks: bool [H, W] by object id, none empty.
    A click is placed at `deepest_pixel` of the mask; each further one at that of all that `tracker` then gets wrong on
    this frame, which is object (a positive click) or not (a negative one). A mask without error gets no more clicks.
    Source: SAM 2's evaluation, `sample_one_point_from_error_center`.
    Raises InputError for another kind.
    """
    checked_prompt(kind)
    if kind == "mask":
        return {object_id: Prompt(mask=mask) for object_id, mask in masks.items()}
    if kind == "box":
        return {object_id: Prompt(box=box_of_mask(mask)) for object_id, mask in masks.items()}
    prompts = {object_id: Prompt(points=(_click(mask, np.zeros_like(mask)),)) for object_id, mask in masks.items()}
    for _ in range(CLICKS[kind] - 1):
        answers = tracker.segment(frame, prompts).objects
        for object_id, mask in masks.items():
            if not np.array_equal(answers[object_id].mask, mask):
                click = _click(mask, answers[object_id].mask)
                prompts[object_id] = Prompt(points=(*prompts[object_id].points, click))
    return prompts


def box_of_mask(mask: np.ndarray) -> Box:
    """The smallest box around a mask, bool [H, W] and not empty; its right and bottom edges are those of the last
    pixels, so that a single pixel has a box too."""
    ys, xs = np.nonzero(mask)
    return Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)


def deepest_pixel(region: np.ndarray) -> tuple[int, int, int]:
    """x, y and squared distance of the pixel of a region that lies farthest from what is outside of it.

    region: bool [H, W], not empty; beyond the frame is outside. Of several such pixels, the first in reading order.
    """
    box = box_of_mask(region)
    depths = _squared_depths(region[box.y0 : box.y1, box.x0 : box.x1])
    y, x = np.unravel_index(int(depths.argmax()), depths.shape)
    return int(box.x0) + int(x), int(box.y0) + int(y), int(depths[y, x])


def _click(truth: np.ndarray, answer: np.ndarray) -> Point:
    """The correction of an answer that is not the truth: where it is wrong the deepest."""
    regions = ((truth & ~answer, True), (answer & ~truth, False))
    wrong = [(*deepest_pixel(region), positive) for region, positive in regions if region.any()]
    # SAM 2 takes a miss and a false alarm of the same depth for a false alarm.
    x, y, _, positive = max(wrong, key=lambda found: (found[2], not found[3]))
    return Point(x, y, positive)


def _squared_depths(region: np.ndarray) -> np.ndarray:
    """int64 [H, W]: each pixel's squared Euclidean distance, in pixels, to the nearest one outside; 0 outside."""
    padded = np.pad(region, 1)
    nearest = ndimage.distance_transform_edt(padded, return_distances=False, return_indices=True)
    return ((nearest - np.indices(padded.shape)) ** 2).sum(axis=0)[1:-1, 1:-1]
