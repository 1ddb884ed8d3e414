"""Weights are judged by how they track videos that were kept out, from the first mask, on annotated frames alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinysam2.core.errors import InputError
from tinysam2.models.training.held_out import HELD_OUT_FRAMES


@pytest.fixture
def mean_j(judge, small_model):
    """The mean J of the small model on some videos."""
    return lambda *videos: judge(*videos).mean_j(small_model)


def test_the_j_of_several_videos_is_their_mean(mean_j, moving_video):
    videos = [moving_video(seed, size=(80, 48)) for seed in (0, 1)]
    alone = [mean_j(video) for video in videos]
    assert all(0 <= j <= 1 for j in alone)
    assert alone[0] != alone[1]
    assert mean_j(*videos) == pytest.approx(np.mean(alone))


def test_only_frames_between_the_first_mask_and_the_last_count(mean_j, moving_video):
    video = moving_video(frames=3)
    # An object that is gone: what the model finds of it is all wrong, or all right.
    video.masks[1] = 0
    assert mean_j(video) in (0, 1)


def test_frames_without_annotation_do_not_count(mean_j, moving_video):
    told = moving_video(unannotated=frozenset({2, 5}))
    other = moving_video(unannotated=frozenset({2, 5}))
    other.masks[[2, 5]] = 0
    whole = moving_video()
    assert mean_j(told) == mean_j(other)
    assert mean_j(told) != mean_j(whole)


def test_tracking_begins_where_the_object_does(mean_j, moving_video):
    video = moving_video()
    late = replace(
        video,
        frames=np.concatenate([video.frames[:3][::-1], video.frames]),
        masks=np.concatenate([np.zeros_like(video.masks[:3]), video.masks]),
        objects={1: 3},
    )
    assert mean_j(late) == pytest.approx(mean_j(video))


def test_an_object_may_have_any_id(mean_j, moving_video):
    video = moving_video()
    other = replace(video, masks=np.where(video.masks == 1, 7, 0).astype(np.uint8), objects={7: 0})
    assert mean_j(other) == mean_j(video)


def test_only_the_first_frames_are_tracked(mean_j, moving_video):
    video = moving_video(frames=HELD_OUT_FRAMES)
    longer = replace(
        video, frames=np.concatenate([video.frames, video.frames]), masks=np.concatenate([video.masks, video.masks])
    )
    assert mean_j(longer) == mean_j(video)


@pytest.mark.parametrize("frames", [1, 5])
def test_a_video_with_its_first_mask_alone_cannot_be_judged(judge, moving_video, frames):
    video = moving_video(4, frames=frames, unannotated=frozenset(range(1, frames)))
    with pytest.raises(InputError, match=f"sequence disc4 has nothing to score in {frames} frames"):
        judge(video)


def test_a_video_without_objects_cannot_be_judged(judge, moving_video):
    with pytest.raises(InputError, match="sequence disc0 has nothing to score in 8 frames"):
        judge(moving_video(objects={}))


def test_judging_leaves_the_weights_as_they_were(mean_j, small_model, moving_video):
    before = {name: tensor.clone() for name, tensor in small_model.state_dict().items()}
    mean_j(moving_video())
    assert all(torch.equal(before[name], tensor) for name, tensor in small_model.state_dict().items())
