"""Each metric is its textbook formula, bounded, and always a number."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinysam2.scoring.metrics import MAX_SQNR_DB, cosine, mask_iou, max_abs_error, sqnr_db

LARGEST = float(np.finfo(np.float32).max)

any_floats = st.floats(width=32, allow_nan=True, allow_infinity=True)
finite = st.floats(-1e6, 1e6, width=32)


def pairs(elements):
    """Two tensors of one shape."""
    shape = arrays.array_shapes(max_dims=3, max_side=4)
    return shape.flatmap(lambda s: st.tuples(*[arrays.arrays(np.float32, s, elements=elements)] * 2))


def examples(count: int):
    return settings(max_examples=count, deadline=None, derandomize=True)


@pytest.fixture
def signal() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 50))


@examples(60)
@given(share=st.floats(1e-8, 1e3), scale=st.floats(1e-6, 1e6))
def test_noise_of_a_tenth_of_the_signal_is_20_db_whatever_the_scale(share, scale):
    reference = scale * np.random.default_rng(0).normal(size=100)
    assert sqnr_db(reference, reference * (1 + share)) == pytest.approx(-20 * math.log10(share), abs=1e-3)


def test_sqnr_is_energy_over_energy_of_the_difference(signal):
    noise = np.random.default_rng(1).normal(size=signal.shape)
    expected = 10 * math.log10((signal**2).sum() / (noise**2).sum())
    assert sqnr_db(signal, signal + noise) == pytest.approx(expected)


def test_a_number_near_zero_is_measured_by_its_unit():
    assert sqnr_db(np.array([1e-4]), np.array([2e-4]), unit=1) == pytest.approx(80)
    assert sqnr_db(np.array([10.0]), np.array([10.1]), unit=1) == pytest.approx(
        sqnr_db(np.array([1.0]), np.array([1.01]))
    )
    assert sqnr_db(np.zeros(1), np.array([1e-3]), unit=1) == pytest.approx(60)


def test_equal_tensors_have_the_highest_sqnr_and_cosine_and_no_error(signal):
    assert sqnr_db(signal, signal.copy()) == MAX_SQNR_DB == 200
    assert cosine(signal, 3 * signal) == pytest.approx(1)
    assert max_abs_error(signal, signal) == 0


def test_noise_on_silence_has_the_lowest_sqnr():
    assert sqnr_db(np.zeros(3), np.full(3, 1e-9)) == -MAX_SQNR_DB


def test_silence_is_like_silence_and_unlike_anything_else():
    assert sqnr_db(np.zeros(3), np.zeros(3)) == MAX_SQNR_DB
    assert cosine(np.zeros(3), np.zeros(3)) == 1
    assert cosine(np.zeros(3), np.ones(3)) == cosine(np.ones(3), np.zeros(3)) == 0


def test_opposite_and_orthogonal_tensors_have_cosines_of_minus_one_and_zero():
    assert cosine(np.array([1, 2]), np.array([-2, -4])) == pytest.approx(-1)
    assert cosine(np.array([1, 2]), np.array([-2, 1])) == 0


def test_the_largest_error_is_absolute():
    assert max_abs_error(np.array([[1.0, -2.0]]), np.array([[1.5, 2.0]])) == 4


def test_tensors_without_elements_agree():
    """As where none of a bank's tokens are to be compared."""
    empty = np.zeros((0, 32), np.float32)
    assert (sqnr_db(empty, empty), cosine(empty, empty), max_abs_error(empty, empty)) == (MAX_SQNR_DB, 1, 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("reference", [0.0, 1.0])
def test_a_value_that_is_not_finite_is_given_the_worst_there_is(value, reference):
    expected, actual = np.full(4, reference, np.float32), np.full(4, reference, np.float32)
    actual[2] = value
    assert sqnr_db(expected, actual) == -MAX_SQNR_DB
    assert cosine(expected, actual) == -1
    assert max_abs_error(expected, actual) == LARGEST


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@examples(150)
@given(pairs(any_floats))
def test_every_measure_is_a_finite_number_within_its_bounds(pair):
    assert -MAX_SQNR_DB <= sqnr_db(*pair) <= MAX_SQNR_DB
    assert -1 - 1e-9 <= cosine(*pair) <= 1 + 1e-9
    # Two float32 of opposite sign differ by at most twice the largest.
    assert 0 <= max_abs_error(*pair) <= 2 * LARGEST


@examples(60)
@given(pairs(finite))
def test_cosine_and_error_do_not_depend_on_which_is_the_reference(pair):
    a, b = pair
    assert cosine(a, b) == pytest.approx(cosine(b, a), abs=1e-12)
    assert max_abs_error(a, b) == max_abs_error(b, a)


masks = arrays.array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(
    lambda shape: st.tuples(*[arrays.arrays(bool, shape)] * 2)
)


@examples(80)
@given(masks)
def test_mask_iou_is_symmetric_and_a_share(pair):
    a, b = pair
    assert 0 <= mask_iou(a, b) <= 1
    assert mask_iou(a, b) == mask_iou(b, a)
    assert mask_iou(a, a) == 1


@examples(80)
@given(masks)
def test_mask_iou_counts_pixels(pair):
    a, b = ({(y, x) for y, x in np.argwhere(mask).tolist()} for mask in pair)
    assert mask_iou(*pair) == (len(a & b) / len(a | b) if a | b else 1)


def test_an_empty_mask_agrees_with_an_empty_one_only():
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert mask_iou(empty, empty) == 1
    assert mask_iou(empty, full) == 0
