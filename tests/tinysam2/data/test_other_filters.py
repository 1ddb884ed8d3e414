"""Filters other than the frame contract's: the pixels that each takes, by how much, and rounded as others round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinysam2.data.other_filters import AREA, CONTRACT, OTHER_FILTERS, PLAIN_BILINEAR, resized, sampled
from tinysam2.data.resampling import resize_image

SIDE = 32


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def one_row(*values: int) -> np.ndarray:
    """A frame as high as it is wide, whose rows are all these values."""
    return np.broadcast_to(np.array(values, np.uint8)[:, None], (len(values), len(values), 3))


def test_the_contracts_filter_is_the_contracts():
    frame = noise(50, 40)
    assert np.array_equal(resized(frame, SIDE, CONTRACT), resize_image(frame, SIDE, SIDE))


def test_every_filter_gives_other_bytes_of_the_same_picture():
    ramp = np.arange(0, 250, 2, dtype=np.uint8)
    frame = noise(125, 100) // 4 + ramp[:100, None, None] // 2
    pictures = {how: resized(frame, SIDE, how) for how in (CONTRACT, *OTHER_FILTERS)}
    for how, picture in pictures.items():
        assert (picture.shape, picture.dtype) == ((SIDE, SIDE, 3), np.uint8)
        assert picture.mean() == pytest.approx(frame.mean(), abs=0.5)
        if how not in (CONTRACT, "bilinear"):
            assert not np.array_equal(picture, pictures[CONTRACT])


def test_plain_bilinear_takes_the_four_pixels_around_each_centre():
    # Centres of three positions lie at 1, 3 and 5 of 6: between two pixels, and never a third one.
    frame = one_row(0, 0, 120, 120, 0, 0)
    assert resized(frame, 3, PLAIN_BILINEAR)[0, :, 0].tolist() == [0, 120, 0]
    assert resized(frame, 3, "bilinear")[0, :, 0].tolist() != [0, 120, 0]


@given(width=st.integers(1, 90), height=st.integers(1, 90), side=st.integers(1, 60), seed=st.integers(0, 9))
def test_plain_bilinear_is_what_torch_interpolates_without_antialiasing(width, height, side, seed):
    torch = pytest.importorskip("torch")
    frame = noise(width, height, seed)
    values = torch.from_numpy(frame).permute(2, 0, 1)[None].double()
    wanted = torch.nn.functional.interpolate(values, (side, side), mode="bilinear", antialias=False)
    # Either may round a half up or down; no value is further from the exact one.
    difference = resized(frame, side, PLAIN_BILINEAR) - wanted[0].permute(1, 2, 0).numpy()
    assert np.abs(difference).max() <= 0.5 + 1e-6


def test_sampling_at_corners_is_half_a_pixel_off():
    frame = one_row(0, 50, 100, 150)
    assert sampled(frame, 2)[0, :, 0].tolist() == [25, 125]
    assert sampled(frame, 2, offset=0.0)[0, :, 0].tolist() == [0, 100]


def test_area_takes_pixels_in_part_by_their_part():
    # Each of two positions covers one and a half of three pixels.
    assert resized(one_row(30, 60, 120), 2, AREA)[0, :, 0].tolist() == [40, 100]
    assert resized(one_row(30, 60), 3, AREA)[0, :, 0].tolist() == [30, 45, 60]


@given(times=st.integers(1, 5), side=st.integers(1, 20), seed=st.integers(0, 9))
def test_area_is_the_mean_of_blocks_where_a_whole_number_shrinks(times, side, seed):
    frame = noise(times * side, times * side, seed)
    means = frame.reshape(side, times, side, times, 3).mean((1, 3))
    assert np.abs(resized(frame, side, AREA) - means).max() <= 0.5 + 1e-6
