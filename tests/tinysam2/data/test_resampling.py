"""Resizing gives Pillow's bytes, across first and then down, whatever order Pillow itself would choose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinysam2.core.frame_contract import BOX, TRIANGLE
from tinysam2.data.resampling import resize_image, resize_values, taps

PILLOW = {TRIANGLE: Image.Resampling.BILINEAR, BOX: Image.Resampling.BOX}
KERNELS = st.sampled_from(sorted(PILLOW))
SIDES = st.integers(1, 150)


def by_pillow(image: np.ndarray, width: int, height: int, kernel: str) -> np.ndarray:
    """Two calls of one pass each, so that the order is ours in every version."""
    across = Image.fromarray(image).resize((width, image.shape[0]), PILLOW[kernel])
    return np.asarray(across.resize((width, height), PILLOW[kernel]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SIDES, SIDES, SIDES, SIDES, KERNELS, st.integers(0, 2**32 - 1), st.booleans())
def test_an_image_is_resized_to_pillows_bytes(width, height, to_width, to_height, kernel, seed, extremes):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    image = np.where(image > 127, 255, 0).astype(np.uint8) if extremes else image
    assert np.array_equal(
        resize_image(image, to_width, to_height, kernel), by_pillow(image, to_width, to_height, kernel)
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SIDES, SIDES, SIDES, SIDES, KERNELS, st.integers(0, 2**32 - 1))
def test_values_are_resized_to_pillows_float32(width, height, to_width, to_height, kernel, seed):
    values = (20 * np.random.default_rng(seed).standard_normal((height, width))).astype(np.float32)
    assert np.array_equal(
        resize_values(values, to_width, to_height, kernel), by_pillow(values, to_width, to_height, kernel)
    )


@pytest.mark.parametrize(
    ("size", "side"), [((1920, 1080), 256), ((1080, 1920), 256), ((640, 480), 512), ((3, 4001), 7)]
)
def test_a_cameras_frame_is_resized_to_pillows_bytes(size, side):
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    assert np.array_equal(resize_image(image, side, side), by_pillow(image, side, side, TRIANGLE))


def test_a_landscape_frame_has_the_bytes_of_pillows_one_call():
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    once = Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR)
    assert np.array_equal(resize_image(image, 256, 256), np.asarray(once))


def test_the_weights_of_a_position_come_to_one():
    for size, wanted in ((7, 3), (3, 7), (1920, 256), (5, 5)):
        for kernel in PILLOW:
            assert taps(size, wanted, kernel).weights.sum(1) == pytest.approx(np.ones(wanted))


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_plain_image_stays_as_it_is(value):
    image = np.full((37, 53, 3), value, np.uint8)
    for width, height in ((256, 256), (10, 80)):
        assert np.unique(resize_image(image, width, height)).tolist() == [value]


def test_an_image_of_the_wanted_size_is_returned_in_its_own_bytes():
    image = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8)
    assert np.array_equal(resize_image(image, 12, 9), image)
