"""Camera frames in YUV 4:2:0 to RGB, in integers, and upright; the frame contract's reference for an app's own."""

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.core.frame_contract import YUV_BITS, YUV_CONVERSIONS, YUV_DEFAULT


def rgb_of_yuv420(y: np.ndarray, u: np.ndarray, v: np.ndarray, conversion: str = YUV_DEFAULT) -> np.ndarray:
    """uint8 luma [H, W] and chroma [ceil(H/2), ceil(W/2)] each -> uint8 RGB [H, W, 3].

    conversion: matrix and range as the frame tells them, a key of `YUV_CONVERSIONS`. A pixel has the chroma of its
    2x2 block. NV12 and NV21 hold the same planes, interleaved. Raises InputError for an unknown conversion, or planes
    that do not fit together.
    """
    if conversion not in YUV_CONVERSIONS:
        raise InputError(f"unknown YUV conversion '{conversion}'; it must be one of: {', '.join(YUV_CONVERSIONS)}")
    height, width = y.shape
    wanted = ((height + 1) // 2, (width + 1) // 2)
    if u.shape != wanted or v.shape != wanted:
        raise InputError(
            f"chroma planes are {u.shape} and {v.shape}; luma of {y.shape} takes two of {wanted}, half its size"
        )
    how = YUV_CONVERSIONS[conversion]
    light = how["luma"] * (y.astype(np.int32) - how["luma_offset"])
    across, down = np.arange(width) >> 1, np.arange(height) >> 1
    u, v = (plane[down][:, across].astype(np.int32) - how["chroma_offset"] for plane in (u, v))
    channels = (
        light + how["red_v"] * v,
        light + how["green_u"] * u + how["green_v"] * v,
        light + how["blue_u"] * u,
    )
    half = 1 << (YUV_BITS - 1)
    return np.stack([np.clip((c + half) >> YUV_BITS, 0, 255).astype(np.uint8) for c in channels], axis=-1)


def upright(frame: np.ndarray, degrees: int) -> np.ndarray:
    """A frame [H, W, ...] turned clockwise by 0, 90, 180 or 270 degrees; InputError for another angle."""
    if degrees not in (0, 90, 180, 270):
        raise InputError(f"a frame cannot be turned by {degrees} degrees; it must be 0, 90, 180 or 270")
    return np.ascontiguousarray(np.rot90(frame, -degrees // 90))
