"""Slips: what a training clip's memory forgets of the object, or takes for it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinysam2.models.training.memory_noise import FORGETTING, SLIP_LOGIT, random_memory_noise, with_memory_noise

SIDE, FRAMES = 32, 5
SEEDS = st.integers(0, 2**32)


def moving_box() -> torch.Tensor:
    """Masks of a box that moves three cells a frame."""
    masks = torch.zeros(FRAMES, 1, SIDE, SIDE)
    for t in range(FRAMES):
        masks[t, 0, 8:20, 3 * t + 2 : 3 * t + 14] = 1
    return masks


def memory_noise_of(seed: int, masks: torch.Tensor | None = None) -> torch.Tensor:
    return random_memory_noise(moving_box() if masks is None else masks, np.random.default_rng(seed))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SEEDS)
def test_the_prompted_frame_is_remembered_as_it_is(seed):
    memory_noise = memory_noise_of(seed)
    assert memory_noise.shape == (FRAMES, 1, SIDE, SIDE)
    assert not memory_noise[0].any()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SEEDS)
def test_what_was_once_remembered_wrongly_stays_so_at_its_place_on_the_object(seed):
    memory_noise = memory_noise_of(seed)
    on_object = [memory_noise[t, 0, 8:20, 3 * t + 2 : 3 * t + 14] for t in range(FRAMES) if memory_noise[t].any()]
    assert all(torch.equal(later, on_object[-1]) for later in on_object)
    wrong = [bool(slip.any()) for slip in memory_noise]
    assert wrong == sorted(wrong)


def test_some_forget_a_part_of_the_object_and_fewer_take_ground_for_object():
    box, forgetting = moving_box(), 0
    for seed in range(60):
        memory_noise = memory_noise_of(seed)
        if (memory_noise < 0).any():
            forgetting += 1
            assert set(memory_noise.unique().tolist()) == {-1.0, 0.0}
            assert ((memory_noise < 0) & (box > 0)).any()
        else:
            assert set(memory_noise.unique().tolist()) <= {0.0, 1.0}
            assert not ((memory_noise > 0) & (box > 0)).any()
    assert forgetting / 60 == pytest.approx(FORGETTING, abs=0.15)


def test_where_the_object_is_absent_nothing_is_remembered_wrongly():
    masks = moving_box()
    masks[2:4] = 0
    assert not any(memory_noise_of(seed, masks)[2:4].any() for seed in range(20))


def test_a_slip_takes_the_place_of_what_was_seen():
    logits = torch.tensor([3.0, 3.0, -3.0, -3.0])
    remembered = with_memory_noise(logits, torch.tensor([0.0, -1.0, 0.0, 1.0]))
    assert remembered.tolist() == [3.0, -SLIP_LOGIT, -3.0, SLIP_LOGIT]
