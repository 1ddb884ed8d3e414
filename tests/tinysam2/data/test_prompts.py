"""What a user says of a frame is checked before it is believed, and reaches the programs in their own measures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinysam2.core.config import preset
from tinysam2.core.contract import MASK_DECODER, MEMORY_ENCODER, program_contract
from tinysam2.core.errors import InputError
from tinysam2.data.prompts import Box, Point, Prompt, prompt_tensors

NANO = preset("nano")
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


def tensors(prompt: Prompt | None, width: int = WIDTH, height: int = HEIGHT):
    return prompt_tensors(prompt, (width, height), NANO.image_size, NANO.mask_size)


def test_without_a_prompt_all_points_are_padding_and_nothing_is_given():
    said = tensors(None)
    assert said["point_labels"].tolist() == [[-1, -1, -1, -1]]
    assert said["has_mask"].item() == said["is_prompted"].item() == 0
    assert not said["mask_prompt"].any()


@pytest.mark.parametrize("prompt", [None, Prompt(points=point()), Prompt(mask=MASK)])
def test_the_tensors_are_the_contracts(prompt):
    said = tensors(prompt)
    contract = program_contract(NANO)
    wanted = {t.name: t for program in (MASK_DECODER, MEMORY_ENCODER) for t in contract[program].inputs}
    assert set(said) == {"point_coords", "point_labels", "mask_prompt", "has_mask", "is_prompted"}
    for name, value in said.items():
        assert value.shape == wanted[name].shape
        assert value.dtype == wanted[name].dtype


def test_points_are_scaled_to_the_square_input_and_come_first():
    said = tensors(Prompt(points=(Point(16, 12), Point(32, 36, positive=False))))
    assert said["point_coords"].tolist() == [[[64, 64], [128, 192], [0, 0], [0, 0]]]
    assert said["point_labels"].tolist() == [[1, 0, -1, -1]]
    assert said["is_prompted"].item() == 1
    assert said["has_mask"].item() == 0


def test_a_box_is_two_corners_behind_the_points():
    said = tensors(Prompt(points=point(8, 6), box=Box(0, 12, 64, 48)))
    assert said["point_coords"].tolist() == [[[32, 32], [0, 64], [256, 256], [0, 0]]]
    assert said["point_labels"].tolist() == [[1, 2, 3, -1]]


def test_a_mask_is_given_as_the_share_of_each_cell_that_the_object_covers():
    mask = np.zeros((128, 128), bool)
    mask[0:2, 0] = True
    mask[3, 4:6] = True
    said = tensors(Prompt(mask=mask), 128, 128)
    assert said["mask_prompt"].shape == (1, 1, 64, 64)
    assert said["mask_prompt"][0, 0, 0, 0] == 0.5
    assert said["mask_prompt"][0, 0, 1, 2] == 0.5
    assert said["mask_prompt"].sum() == 1
    assert said["has_mask"].item() == said["is_prompted"].item() == 1
    assert said["point_labels"].tolist() == [[-1, -1, -1, -1]]


def test_a_mask_may_hold_any_number_where_the_object_is():
    said = [tensors(Prompt(mask=MASK.astype(dtype) * 7))["mask_prompt"] for dtype in (np.uint8, np.float64)]
    for mask in said:
        np.testing.assert_array_equal(mask, tensors(Prompt(mask=MASK))["mask_prompt"])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 4]))
def test_the_share_of_the_frame_that_a_mask_covers_is_kept(data, across, down):
    shape = (64 * down, 64 * across)
    cells = data.draw(arrays.arrays(bool, (4 * down, 4 * across)))
    mask = np.roll(np.kron(cells, np.ones((16, 16), bool)), data.draw(st.integers(0, 15)), axis=(0, 1))
    assert mask.shape == shape
    covered = tensors(Prompt(mask=mask), *shape[::-1])["mask_prompt"]
    assert covered.mean() == pytest.approx(mask.mean(), abs=1e-6)
    assert covered.min() >= 0
    assert covered.max() <= 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(20, 300), st.integers(20, 300), st.data())
def test_a_single_pixel_is_never_lost_however_large_the_frame(width, height, data):
    mask = np.zeros((height, width), bool)
    mask[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = True
    covered = tensors(Prompt(mask=mask), width, height)["mask_prompt"]
    if width >= 64 and height >= 64:
        assert covered.max() > 0
    assert 0 <= covered.min() <= covered.max() <= 1
