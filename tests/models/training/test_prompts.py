"""Random prompts say of an object what a user could have said of it, in the contract's terms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinysam2.core.config import preset
from tinysam2.core.contract import MAX_POINTS
from tinysam2.models.training.prompts import BOX_NOISE, MOST_CLICKS, no_prompt, random_prompt
from tinysam2.models.training.settings import PromptMix

CONFIG = preset("nano")
SIZE = CONFIG.image_size
MASK, BOX, CLICKS = PromptMix(mask=1.0, box=0.0), PromptMix(mask=0.0, box=1.0), PromptMix(mask=0.0, box=0.0)


@st.composite
def objects(draw) -> np.ndarray:
    """A rectangle somewhere in the image, one pixel at least, and perhaps a second one apart from it."""
    mask = np.zeros((SIZE, SIZE), bool)
    for _ in range(draw(st.integers(1, 2))):
        top, left = draw(st.integers(0, SIZE - 1)), draw(st.integers(0, SIZE - 1))
        height, width = draw(st.integers(1, SIZE)), draw(st.integers(1, SIZE))
        mask[top : top + height, left : left + width] = True
    return mask


generators = st.integers(0, 2**32).map(np.random.default_rng)


def points(prompt) -> list[tuple[int, int, int]]:
    """x, y and label of every point that is one."""
    rows = zip(prompt.point_coords.tolist(), prompt.point_labels.tolist(), strict=True)
    return [(x, y, label) for (x, y), label in rows if label >= 0]


@settings(deadline=None, derandomize=True)
@given(objects(), generators)
def test_clicks_lie_on_the_object_or_off_it_as_their_labels_say(mask, rng):
    prompt = random_prompt(mask, CLICKS, CONFIG.mask_size, rng)
    assert 1 <= len(points(prompt)) <= MOST_CLICKS
    for x, y, label in points(prompt):
        assert label in (0, 1)
        assert mask[int(y), int(x)] == bool(label)


@settings(deadline=None, derandomize=True)
@given(objects(), generators)
def test_the_first_click_is_on_the_object_and_the_places_left_are_no_points(mask, rng):
    prompt = random_prompt(mask, CLICKS, CONFIG.mask_size, rng)
    labels = prompt.point_labels.tolist()
    assert labels[0] == 1
    assert labels[len(points(prompt)) :] == [-1] * (MAX_POINTS - len(points(prompt)))
    assert prompt.has_mask == 0
    assert not prompt.mask_prompt.any()


@settings(deadline=None, derandomize=True)
@given(generators)
def test_an_object_that_fills_the_image_is_never_clicked_beside(rng):
    prompt = random_prompt(np.ones((SIZE, SIZE), bool), CLICKS, CONFIG.mask_size, rng)
    assert {label for *_, label in points(prompt)} == {1}


@settings(deadline=None, derandomize=True)
@given(objects(), generators)
def test_a_box_covers_about_the_object_and_stays_in_the_image(mask, rng):
    prompt = random_prompt(mask, BOX, CONFIG.mask_size, rng)
    assert prompt.point_labels.tolist() == [2, 3, -1, -1]
    assert prompt.has_mask == 0
    (x0, y0, _), (x1, y1, _) = points(prompt)
    assert 0 <= x0 < x1 <= SIZE
    assert 0 <= y0 < y1 <= SIZE
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    for low, high, marked in ((x0, x1, columns), (y0, y1, rows)):
        begin, end = marked[0], marked[-1] + 1
        slack = BOX_NOISE * (end - begin) + 1e-3
        assert abs(low - begin) <= slack
        assert abs(high - end) <= slack


@settings(deadline=None, derandomize=True)
@given(objects(), generators)
def test_a_mask_prompt_is_the_share_of_each_cell_that_the_object_covers(mask, rng):
    prompt = random_prompt(mask, MASK, CONFIG.mask_size, rng)
    assert prompt.has_mask == 1
    assert prompt.point_labels.tolist() == [-1] * MAX_POINTS
    side, cell = CONFIG.mask_size, SIZE // CONFIG.mask_size
    share = mask.reshape(side, cell, side, cell).mean((1, 3))
    torch.testing.assert_close(prompt.mask_prompt[0], torch.from_numpy(share).float(), atol=1e-5, rtol=0)


def test_kinds_of_prompts_come_in_the_shares_that_were_asked_for():
    mask, rng = np.zeros((SIZE, SIZE), bool), np.random.default_rng(0)
    mask[50:90, 60:160] = True
    made = [random_prompt(mask, PromptMix(mask=0.5, box=0.2), CONFIG.mask_size, rng) for _ in range(600)]
    masks = sum(bool(prompt.has_mask) for prompt in made)
    boxes = sum(prompt.point_labels[0] == 2 for prompt in made)
    assert masks / 600 == pytest.approx(0.5, abs=0.08)
    assert int(boxes) / 600 == pytest.approx(0.2, abs=0.08)
    assert {len(points(prompt)) for prompt in made if prompt.point_labels[0] == 1} == {1, 2, 3}


def test_where_nothing_is_said_there_is_neither_point_nor_mask():
    prompt = no_prompt(CONFIG.mask_size, 3)
    side = CONFIG.mask_size
    assert [tuple(t.shape) for t in prompt] == [(3, MAX_POINTS, 2), (3, MAX_POINTS), (3, 1, side, side), (3, 1)]
    assert (prompt.point_labels == -1).all()
    assert not prompt.has_mask.any()
    assert not prompt.mask_prompt.any()
