"""Frames and prompts reach the programs in their own measures, and mask logits come back at the frame's size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinysam2.core.config import preset
from tinysam2.core.contract import MASK_DECODER, MEMORY_ENCODER, program_contract
from tinysam2.data.preprocessing import Preprocessor, frame_logits
from tinysam2.data.prompts import Box, Point, Prompt

NANO = preset("nano")
NANO_FRAMES = Preprocessor(NANO.image_size, NANO.mask_size)
WIDTH, HEIGHT = 64, 48
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[10:20, 5:15] = True


def point(x: float = 1, y: float = 1) -> tuple[Point, ...]:
    return (Point(x, y),)


def test_a_frame_of_any_size_is_stretched_to_the_square_input():
    halves = np.zeros((20, 50, 3), np.uint8)
    halves[:, 25:] = (200, 100, 50)
    tensor = NANO_FRAMES.image_tensor(halves)
    assert tensor.shape == (1, 3, 256, 256)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor[0, :, :, :120].max() == 0
    assert tensor[0, :, 40, 200].tolist() == [200, 100, 50]


def test_logits_come_back_at_the_frames_size_with_their_sign():
    logits = np.full((1, 1, 4, 4), -1, np.float16)
    logits[0, 0, :, 2:] = 1
    enlarged = frame_logits(logits, 12, 8)
    assert (enlarged.shape, enlarged.dtype) == ((8, 12), np.float32)
    assert (enlarged > 0).tolist() == [[False] * 6 + [True] * 6] * 8


def tensors(prompt: Prompt | None, width: int = WIDTH, height: int = HEIGHT):
    return NANO_FRAMES.prompt_tensors(prompt, (width, height))


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
