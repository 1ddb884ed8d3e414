"""What a user says of a frame is checked before it is believed."""

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.prompts import Box, Point, Prompt

WIDTH, HEIGHT = 64, 48
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[10:20, 5:15] = True


def point(x: float = 1, y: float = 1) -> tuple[Point, ...]:
    return (Point(x, y),)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(points=point(0, 0)),
        Prompt(points=point(63.9, 47.9)),
        Prompt(points=point() * 4),
        Prompt(box=Box(0, 0, WIDTH, HEIGHT)),
        Prompt(points=point() * 2, box=Box(1, 1, 2, 2)),
        Prompt(mask=MASK),
        Prompt(mask=MASK.astype(np.uint8) * 255),
    ],
    ids=["first pixel", "last pixel", "four points", "whole frame", "two points and a box", "mask", "mask of 255"],
)
def test_what_can_be_said_of_a_frame_is_accepted(prompt):
    prompt.check(WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(), "the prompt says nothing; give a point, a box or a mask"),
        (
            Prompt(points=point() * 5),
            "the prompt has 5 points; a frame takes at most 4, of which a box counts as two",
        ),
        (
            Prompt(points=point() * 3, box=Box(1, 1, 2, 2)),
            "the prompt has 3 points and a box; a frame takes at most 4, of which a box counts as two",
        ),
        (Prompt(points=point(64, 1)), "point 64,1 lies outside the frame, which is 64x48"),
        (Prompt(points=point(1, 48)), "point 1,48 lies outside the frame, which is 64x48"),
        (Prompt(points=point(-0.5, 1)), "point -0.5,1 lies outside the frame, which is 64x48"),
        (Prompt(points=point(float("nan"), 1)), "point nan,1 lies outside the frame, which is 64x48"),
        (Prompt(box=Box(0, 0, 65, 48)), "box 0,0,65,48 reaches outside the frame, which is 64x48"),
        (Prompt(box=Box(0, -1, 9, 9)), "box 0,-1,9,9 reaches outside the frame, which is 64x48"),
        (Prompt(box=Box(0, 0, 9, float("nan"))), "box 0,0,9,nan reaches outside the frame, which is 64x48"),
        (
            Prompt(box=Box(9, 0, 9, 5)),
            "box 9,0,9,5 is empty; give left,top,right,bottom with left < right and top < bottom",
        ),
        (
            Prompt(box=Box(0, 7, 9, 5)),
            "box 0,7,9,5 is empty; give left,top,right,bottom with left < right and top < bottom",
        ),
        (
            Prompt(mask=MASK, points=point()),
            "the prompt has a mask beside points or a box; give one or the other",
        ),
        (
            Prompt(mask=MASK, box=Box(1, 1, 2, 2)),
            "the prompt has a mask beside points or a box; give one or the other",
        ),
        (
            Prompt(mask=MASK.T),
            "the mask is 48x64; the frame is 64x48, and a mask must be of its size",
        ),
        (Prompt(mask=np.zeros((HEIGHT, WIDTH))), "the mask is empty; it must mark at least one pixel"),
    ],
)
def test_what_cannot_be_said_of_a_frame_is_refused_with_what_can(prompt, message):
    with pytest.raises(InputError) as refusal:
        prompt.check(WIDTH, HEIGHT)
    assert str(refusal.value) == message
