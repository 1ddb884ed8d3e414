"""Filters other than the frame contract's, by which an app may resize its frames: to train with and to compare with."""

import numpy as np
from PIL import Image

from tinysam2.data.resampling import resize_image

CONTRACT, PLAIN_BILINEAR, AREA = "contract", "plain bilinear", "area"
"""The frame contract's filter; bilinear between four pixels without antialiasing, as GPUs sample; and the mean of what
each output pixel covers, as OpenCV's INTER_AREA shrinks."""

_PILLOW = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

OTHER_FILTERS = (*_PILLOW, PLAIN_BILINEAR, AREA)
"""What an app may resize its frames by in place of the contract's filter."""


def resized(frame: np.ndarray, side: int, how: str = CONTRACT) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [side, side, 3]; how: `CONTRACT` or one of `OTHER_FILTERS`."""
    if how == CONTRACT:
        return resize_image(frame, side, side)
    if how == PLAIN_BILINEAR:
        return sampled(frame, side)
    if how == AREA:
        return _averaged(frame, side)
    return np.asarray(Image.fromarray(frame).resize((side, side), _PILLOW[how]))


def sampled(frame: np.ndarray, side: int, offset: float = 0.5) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [side, side, 3]: bilinear between the four nearest pixels, however far it shrinks.

    offset: of a pixel's centre from its index; 0.5 is torch's `interpolate(mode="bilinear", antialias=False)` and
    OpenCV's INTER_LINEAR.
    """
    height, width = frame.shape[:2]
    top, bottom, down = _neighbours(height, side, offset)
    left, right, across = _neighbours(width, side, offset)
    upper, lower = (
        (1 - across)[:, None] * frame[rows[:, None], left] + across[:, None] * frame[rows[:, None], right]
        for rows in (top, bottom)
    )
    return np.rint((1 - down)[:, None, None] * upper + down[:, None, None] * lower).astype(np.uint8)


def _neighbours(size: int, wanted: int, offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By output position: the input positions before and after it, and the share of the latter."""
    places = np.clip((np.arange(wanted) + offset) * size / wanted - offset, 0, size - 1)
    before = np.floor(places).astype(int)
    return before, np.minimum(before + 1, size - 1), places - before


def _averaged(frame: np.ndarray, side: int) -> np.ndarray:
    """Each output pixel the mean of what it covers, pixels in part by their part."""
    rows = _averaged_rows(frame.astype(np.float64), side)
    return np.rint(_averaged_rows(rows.swapaxes(0, 1), side).swapaxes(0, 1)).astype(np.uint8)


def _averaged_rows(values: np.ndarray, wanted: int) -> np.ndarray:
    """float64 [n, m, 3] -> [wanted, m, 3]: differences of the running sum at the edges of the output positions."""
    size = len(values)
    edges = np.arange(wanted + 1) * size / wanted
    whole = np.minimum(edges.astype(int), size - 1)
    before = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])[whole]
    return np.diff(before + (edges - whole)[:, None, None] * values[whole], axis=0) * (wanted / size)
