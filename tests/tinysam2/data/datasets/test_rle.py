"""COCO's compressed run lengths decode to the masks that they were made from, and nothing else decodes."""

from contextlib import suppress

import numpy as np
import pycocotools.mask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinysam2.data.datasets.rle import decode_rle, run_lengths


def compressed(lengths):
    """The run lengths as COCO writes them: from the fourth on, differences to the last but one."""
    characters = []
    for index, length in enumerate(lengths):
        value = length - lengths[index - 2] if index > 2 else length
        while True:
            low, value = value & 31, value >> 5
            done = value == (-1 if low & 16 else 0)
            characters.append(chr(48 + low + (0 if done else 32)))
            if done:
                break
    return "".join(characters)


@given(st.lists(st.integers(0, 2**24), max_size=20))
def test_run_lengths_survive(lengths):
    assert run_lengths(compressed(lengths)).tolist() == lengths


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=24)))
def test_masks_encoded_by_the_official_tool_survive(mask):
    encoded = pycocotools.mask.encode(np.asfortranarray(mask, np.uint8))
    np.testing.assert_array_equal(decode_rle(encoded["counts"].decode(), *mask.shape), mask)


def test_a_known_string_of_a_real_annotation_is_an_empty_mask():
    assert not decode_rle("P`]<", 848, 480).any()


def test_runs_go_down_the_columns():
    assert decode_rle(compressed([1, 2, 3]), 3, 2).tolist() == [[False, False], [True, False], [True, False]]


@given(st.text(st.characters(max_codepoint=127), max_size=12))
def test_any_other_string_is_refused_or_fills_the_mask(text):
    with suppress(ValueError):
        assert decode_rle(text, 4, 5).shape == (4, 5)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ("!", "a character"),
        ("P", "end within"),
        ("PPPPPPP0", "32 bits"),
        (compressed([20, -4, 4]), "negative"),
        (compressed([3, 4]), "fill 7 pixels, not 5x4"),
        ("é", "not a compressed string"),
        ([3, 17], "not a compressed string"),
        ("", "fill 0 pixels"),
    ],
)
def test_what_is_wrong_is_said(counts, words):
    with pytest.raises(ValueError, match=words):
        decode_rle(counts, 4, 5)
