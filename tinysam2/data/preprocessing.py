"""The frame contract: tensors of frames and prompts, and masks of logits. The only place where frames are resized."""

from collections.abc import Mapping

import numpy as np

from tinysam2.core.contract import (
    BOX_BOTTOM_RIGHT_LABEL,
    BOX_TOP_LEFT_LABEL,
    MAX_POINTS,
    NEGATIVE_LABEL,
    PADDING_LABEL,
    POSITIVE_LABEL,
)
from tinysam2.core.frame_contract import BOX, TRIANGLE
from tinysam2.data.prompts import Prompt
from tinysam2.data.resampling import resize_image, resize_values


class Preprocessor:
    """What a model of one size takes of a frame and its prompts, equal to the bit on every platform.

    image_size, mask_size: sides of the square input image and of the mask logits, in pixels.
    """

    def __init__(self, image_size: int, mask_size: int) -> None:
        self.image_size, self.mask_size = image_size, mask_size

    def image_tensor(self, frame: np.ndarray) -> np.ndarray:
        """uint8 RGB [H, W, 3] of any size -> float32 [1, 3, S, S], 0..255: stretched to a square, as SAM 2 does."""
        image = resize_image(frame, self.image_size, self.image_size)
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)

    def mask_prompt(self, mask: np.ndarray) -> np.ndarray:
        """[H, W], object where it is not 0 -> float32 [m, m]: the share of each cell that the object covers."""
        return resize_values((mask != 0).astype(np.float32), self.mask_size, self.mask_size, BOX)

    def point_tensors(self, prompt: Prompt, frame_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """float32 coordinates [1, 4, 2] in pixels of the square input, and labels [1, 4]; a box's corners come last,
        as SAM 2 orders them. frame_size: width and height of the frame in pixels."""
        width, height = frame_size
        coords = np.zeros((1, MAX_POINTS, 2), np.float32)
        labels = np.full((1, MAX_POINTS), PADDING_LABEL, np.float32)
        for i, (x, y, label) in enumerate(_labelled_points(prompt)):
            coords[0, i] = x * self.image_size / width, y * self.image_size / height
            labels[0, i] = label
        return coords, labels

    def prompt_tensors(self, prompt: Prompt | None, frame_size: tuple[int, int]) -> Mapping[str, np.ndarray]:
        """The mask decoder's and memory encoder's inputs that a prompt fills; None: the frame has no prompt.

        frame_size: width and height of the frame in pixels.
        """
        coords, labels = self.point_tensors(prompt or Prompt(), frame_size)
        mask = np.zeros((self.mask_size, self.mask_size), np.float32)
        has_mask = prompt is not None and prompt.mask is not None
        if prompt is not None and prompt.mask is not None:
            mask = self.mask_prompt(prompt.mask)
        return {
            "point_coords": coords,
            "point_labels": labels,
            "mask_prompt": mask[None, None],
            "has_mask": np.full((1, 1), has_mask, np.float32),
            "is_prompted": np.full((1, 1), prompt is not None, np.float32),
        }


def frame_logits(logits: np.ndarray, width: int, height: int) -> np.ndarray:
    """Mask logits [1, 1, m, m] -> float32 [height, width], at the frame's size; the object is above 0."""
    return resize_values(np.asarray(logits[0, 0], np.float32), width, height, TRIANGLE)


def _labelled_points(prompt: Prompt) -> list[tuple[float, float, float]]:
    """x, y and label of each point, then of the box's corners."""
    points = [(p.x, p.y, POSITIVE_LABEL if p.positive else NEGATIVE_LABEL) for p in prompt.points]
    if prompt.box:
        points.append((prompt.box.x0, prompt.box.y0, BOX_TOP_LEFT_LABEL))
        points.append((prompt.box.x1, prompt.box.y1, BOX_BOTTOM_RIGHT_LABEL))
    return points
