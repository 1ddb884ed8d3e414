"""YUV 4:2:0 becomes RGB in integers, by the matrix and range that the frame tells, and is turned upright."""

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.core.frame_contract import YUV_CONVERSIONS, YUV_DEFAULT
from tinysam2.data.yuv import rgb_of_yuv420, upright

SHARES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def one(y: int, u: int, v: int, conversion: str) -> list[int]:
    planes = (np.full((1, 1), value, np.uint8) for value in (y, u, v))
    return rgb_of_yuv420(*planes, conversion)[0, 0].tolist()


def by_formula(y: np.ndarray, u: np.ndarray, v: np.ndarray, conversion: str) -> np.ndarray:
    """The standards' own equations in float64."""
    red, blue = SHARES[conversion.partition("-")[0]]
    video = conversion.endswith("video")
    y = (y - 16.0) / 219 if video else y / 255.0
    u, v = ((plane - 128.0) / (224 if video else 255) for plane in (u, v))
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(255 * np.stack([r, g, b], -1), 0, 255)


@pytest.mark.parametrize("conversion", YUV_CONVERSIONS)
def test_integers_are_within_one_of_the_standards_equations(conversion):
    y, u, v = (plane.astype(np.uint8) for plane in np.meshgrid(*[np.arange(0, 256, 5)] * 3, indexing="ij"))
    y, u, v = (plane.reshape(52, -1) for plane in (y, u, v))
    found = np.stack([rgb_of_yuv420(*(p[i : i + 1, j : j + 1] for p in (y, u, v)), conversion)[0, 0]
                      for i in range(0, 52, 3) for j in range(0, 2704, 89)])  # fmt: skip
    wanted = by_formula(*(p[::3, ::89].astype(float) for p in (y, u, v)), conversion).reshape(-1, 3)
    assert np.abs(found - wanted).max() <= 0.51


@pytest.mark.parametrize(
    ("conversion", "yuv", "rgb"),
    [
        ("bt601-full", (0, 128, 128), [0, 0, 0]),
        ("bt601-full", (255, 128, 128), [255, 255, 255]),
        ("bt601-full", (76, 85, 255), [254, 0, 0]),
        ("bt601-video", (16, 128, 128), [0, 0, 0]),
        ("bt601-video", (235, 128, 128), [255, 255, 255]),
        ("bt601-video", (81, 90, 240), [254, 0, 0]),
        ("bt709-video", (63, 102, 240), [255, 1, 0]),
        ("bt709-full", (54, 99, 255), [254, 0, 0]),
    ],
)
def test_black_white_and_red(conversion, yuv, rgb):
    assert one(*yuv, conversion) == rgb


def test_coefficients_of_bt601_video_are_the_usual_ones():
    assert dict(YUV_CONVERSIONS["bt601-video"]) == {
        "luma_offset": 16, "chroma_offset": 128, "luma": 76309,
        "red_v": 104597, "green_u": -25675, "green_v": -53279, "blue_u": 132201,
    }  # fmt: skip


def test_a_pixel_has_the_chroma_of_its_block_and_odd_sides_have_a_block_of_their_own():
    y = np.full((3, 5), 128, np.uint8)
    u = np.full((2, 3), 128, np.uint8)
    v = np.arange(128, 134, dtype=np.uint8).reshape(2, 3)
    red = rgb_of_yuv420(y, u, v)[..., 0]
    assert red.tolist() == [[128, 128, 129, 129, 131], [128, 128, 129, 129, 131], [132, 132, 134, 134, 135]]


def test_planes_that_do_not_fit_and_unknown_conversions_are_refused():
    y, small = np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8)
    with pytest.raises(InputError, match="chroma planes are"):
        rgb_of_yuv420(y, small, y)
    with pytest.raises(InputError, match="unknown YUV conversion 'bt2020'; it must be one of: bt601-video, bt601-full"):
        rgb_of_yuv420(y, small, small, "bt2020")
    assert YUV_DEFAULT in YUV_CONVERSIONS


def test_a_frame_is_turned_clockwise():
    frame = np.array([[1, 2, 3], [4, 5, 6]])
    assert upright(frame, 0).tolist() == frame.tolist()
    assert upright(frame, 90).tolist() == [[4, 1], [5, 2], [6, 3]]
    assert upright(frame, 180).tolist() == [[6, 5, 4], [3, 2, 1]]
    assert upright(frame, 270).tolist() == [[3, 6], [2, 5], [1, 4]]
    with pytest.raises(InputError, match="turned by 45 degrees"):
        upright(frame, 45)
