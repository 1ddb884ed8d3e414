"""Prompts made from masks: they say what the mask says, and clicks go where the answer is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinysam2.core.contract import MAX_POINTS
from tinysam2.core.errors import InputError
from tinysam2.data.prompt_kinds import PROMPTS
from tinysam2.data.prompts import Box, Point
from tinysam2.data.simulated_prompts import CLICKS, box_of_mask, deepest_pixel, simulated_prompts
from tinysam2.data.tracked import TrackedFrame, TrackedObject

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14)).filter(np.any)


class ScriptedTracker:
    """Gives each of its answers in turn, {object id: bool [H, W]}, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def segment(self, image, prompts):
        self.asked.append(dict(prompts))
        given = self.answers.pop(0)
        objects = {i: TrackedObject(np.where(given[i], 1.0, -1.0).astype(np.float32), 1.0, 1.0) for i in prompts}
        return TrackedFrame(objects, image.shape[1], image.shape[0])


def blank(mask):
    return np.zeros((*mask.shape, 3), np.uint8)


def clicks(kind, truth, *answers):
    """The points that one object gets."""
    tracker = ScriptedTracker(*({1: answer} for answer in answers))
    return simulated_prompts(kind, tracker, blank(truth), {1: truth})[1].points


def rectangle(left, top, right, bottom, size=(40, 30)):
    mask = np.zeros(size[::-1], bool)
    mask[top:bottom, left:right] = True
    return mask


@given(masks)
def test_the_deepest_pixel_lies_in_the_region_as_far_from_the_outside_as_any(region):
    outside = np.argwhere(~np.pad(region, 1))
    depths = [((outside - inside) ** 2).sum(1).min() for inside in np.argwhere(np.pad(region, 1))]
    x, y, depth = deepest_pixel(region)
    assert region[y, x]
    assert depth == max(depths) == ((outside - (y + 1, x + 1)) ** 2).sum(1).min()


@given(masks)
def test_a_box_is_the_smallest_that_holds_the_mask(mask):
    box = box_of_mask(mask)
    inside = mask[box.y0 : box.y1, box.x0 : box.x1]
    assert inside.sum() == mask.sum()
    assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


@given(masks, st.data())
def test_every_prompt_fits_its_frame_and_lies_on_the_mask(truth, data):
    wrong = arrays(bool, truth.shape)
    tracker = ScriptedTracker({1: data.draw(wrong)}, {1: data.draw(wrong)})
    kind = data.draw(st.sampled_from(PROMPTS))
    prompt = simulated_prompts(kind, tracker, blank(truth), {1: truth})[1]
    prompt.check(truth.shape[1], truth.shape[0])
    assert all(truth[point.y, point.x] == point.positive for point in prompt.points)


@given(masks, st.data())
def test_a_further_click_lies_on_an_error_of_the_answer_before_it(truth, data):
    answers = [data.draw(arrays(bool, truth.shape)) for _ in range(2)]
    points = clicks("click-3", truth, *answers)
    wrong_answers = [answer for answer in answers if (answer != truth).any()]
    assert len(points) == 1 + len(wrong_answers)
    for point, answer in zip(points[1:], wrong_answers, strict=True):
        assert answer[point.y, point.x] != point.positive


def test_a_click_goes_to_the_middle_of_the_mask():
    assert clicks("click-1", rectangle(10, 5, 19, 14)) == (Point(14, 9),)


def test_the_frames_border_counts_as_an_edge():
    assert clicks("click-1", rectangle(0, 0, 9, 9)) == (Point(4, 4),)


def test_corrections_go_to_the_deepest_error_first():
    truth = rectangle(10, 10, 21, 21)
    spilled = truth | rectangle(21, 10, 36, 25)
    holed = truth & ~rectangle(12, 12, 15, 15)
    assert clicks("click-3", truth, spilled, holed) == (Point(15, 15), Point(28, 17, positive=False), Point(13, 13))


def test_a_miss_and_a_false_alarm_of_one_depth_get_a_negative_click():
    truth, answer = rectangle(2, 2, 7, 7), rectangle(20, 2, 25, 7)
    assert clicks("click-3", truth, answer, answer)[1] == Point(22, 4, positive=False)


def test_objects_are_clicked_together_each_by_its_own_error():
    first, second = rectangle(0, 0, 9, 9), rectangle(20, 10, 29, 19)
    tracker = ScriptedTracker({1: first, 2: ~second}, {1: first, 2: second})
    prompts = simulated_prompts("click-3", tracker, blank(first), {1: first, 2: second})
    assert [sorted(asked) for asked in tracker.asked] == [[1, 2], [1, 2]]
    assert (len(prompts[1].points), len(prompts[2].points)) == (1, 2)


def test_a_single_pixel_has_a_box():
    assert box_of_mask(rectangle(3, 4, 4, 5)) == Box(3, 4, 4, 5)


def test_no_prompt_takes_more_points_than_a_frame_does():
    assert max(CLICKS.values()) <= MAX_POINTS


def test_another_kind_is_refused():
    with pytest.raises(InputError, match=r"unknown prompt 'scribble'.*mask, box, click-1, click-3"):
        simulated_prompts("scribble", ScriptedTracker(), blank(np.ones((4, 4))), {})
