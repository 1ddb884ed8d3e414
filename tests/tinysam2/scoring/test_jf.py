"""J and F follow the published definition on every pair of masks, borders, void and empty masks included."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinysam2.scoring import jf
from tinysam2.scoring.jf import boundary_measure, region_similarity


def blobs(height, width):
    """Masks of a few rectangles, so that they have insides, holes and edges on the border."""
    spans = st.tuples(*(st.integers(0, side) for side in (height, height, width, width)), st.booleans())

    def painted(rectangles):
        mask = np.zeros((height, width), bool)
        for top, bottom, left, right, value in rectangles:
            mask[top:bottom, left:right] = value
        return mask

    return st.lists(spans, max_size=4).map(painted) | arrays(bool, (height, width))


@st.composite
def pairs(draw, largest=16):
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return draw(blobs(height, width)), draw(blobs(height, width))


def edge_by_definition(mask):
    """Pixels whose neighbour right, below or diagonally below lies within the picture and differs."""
    height, width = mask.shape
    return [
        (y, x)
        for y in range(height)
        for x in range(width)
        if any(
            y + down < height and x + right < width and mask[y + down, x + right] != mask[y, x]
            for down, right in ((0, 1), (1, 0), (1, 1))
        )
    ]


def f_by_definition(truth, prediction, share):
    tolerance = math.ceil(share * math.hypot(*truth.shape))
    true, predicted = (np.array(edge_by_definition(mask)) for mask in (truth, prediction))
    if not (len(true) and len(predicted)):
        return float(len(true) == len(predicted))
    near = np.linalg.norm(true[:, None] - predicted[None], axis=-1) <= tolerance
    recall, precision = near.any(axis=1).mean(), near.any(axis=0).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(pairs(), st.sampled_from([jf.BOUNDARY_TOLERANCE, 0.1, 0.3]))
def test_the_boundary_measure_is_its_definition_whatever_the_tolerance(pair, share):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jf, "BOUNDARY_TOLERANCE", share)
        assert boundary_measure(*pair) == pytest.approx(f_by_definition(*pair, share), abs=1e-12)


@given(pairs())
def test_both_measures_are_symmetric_and_lie_between_0_and_1(pair):
    for measure in (region_similarity, boundary_measure):
        value = measure(*pair)
        assert 0 <= value <= 1
        assert value == pytest.approx(measure(*pair[::-1]), abs=1e-12)


@given(pairs())
def test_a_mask_agrees_with_itself(pair):
    assert region_similarity(pair[0], pair[0]) == 1
    assert boundary_measure(pair[0], pair[0]) == 1


@given(pairs(), st.randoms(use_true_random=False))
def test_what_is_predicted_on_void_pixels_does_not_matter(pair, random):
    truth, prediction = pair
    void = np.array([random.random() < 0.3 for _ in range(truth.size)]).reshape(truth.shape)
    for measure in (region_similarity, boundary_measure):
        assert measure(truth, prediction, void) == measure(truth | void, prediction & ~void, void)


def test_without_void_pixels_void_says_nothing():
    truth, prediction = np.eye(9, dtype=bool), np.tri(9, dtype=bool)
    for measure in (region_similarity, boundary_measure):
        assert measure(truth, prediction, np.zeros_like(truth)) == measure(truth, prediction)


EMPTY, SQUARE = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
SQUARE[5:15, 5:15] = True
FULL = np.ones((20, 20), bool)


@pytest.mark.parametrize(
    ("truth", "prediction", "j", "f"),
    [
        (EMPTY, EMPTY, 1, 1),
        (EMPTY, SQUARE, 0, 0),
        (SQUARE, EMPTY, 0, 0),
        (FULL, FULL, 1, 1),
        (EMPTY, FULL, 0, 1),  # a full picture has no outline either
        (SQUARE, FULL, 0.25, 0),
    ],
)
def test_masks_without_pixels_or_without_outline(truth, prediction, j, f):
    assert region_similarity(truth, prediction) == j
    assert boundary_measure(truth, prediction) == f


@pytest.mark.parametrize(("shift", "f"), [(8, 1.0), (9, 0.0)])
def test_at_480p_an_outline_may_be_eight_pixels_off(shift, f):
    """0.008 of the diagonal of 854x480 is 7.8 pixels, which is rounded up."""
    truth, prediction = np.zeros((480, 854), bool), np.zeros((480, 854), bool)
    truth[:, :400] = True
    prediction[:, : 400 + shift] = True
    assert boundary_measure(truth, prediction) == f
