"""Weights are judged by how they track videos that were kept out, from the first mask, on annotated frames alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinysam2.core.errors import InputError
from tinysam2.models.training.holdout import mean_j


@pytest.fixture(scope="module")
def judge(small_model):
    """The mean J of the small model on some videos."""
    return lambda *videos: mean_j(small_model, videos)


def test_the_j_of_several_videos_is_their_mean(judge, moving_video):
    videos = [moving_video(seed, size=(80, 48)) for seed in (0, 1)]
    alone = [judge(video) for video in videos]
    assert all(0 <= j <= 1 for j in alone)
    assert alone[0] != alone[1]
    assert judge(*videos) == pytest.approx(np.mean(alone))


def test_the_first_frame_whose_mask_is_given_does_not_count(judge, moving_video):
    video = moving_video(frames=2)
    # An object that is gone: what the model finds of it is all wrong, or all right.
    video.masks[1] = 0
    assert judge(video) in (0, 1)


def test_frames_without_annotation_do_not_count(judge, moving_video):
    told = moving_video(unannotated=frozenset({2, 5}))
    other = moving_video(unannotated=frozenset({2, 5}))
    other.masks[[2, 5]] = 0
    whole = moving_video()
    assert judge(told) == judge(other)
    assert judge(told) != judge(whole)


def test_tracking_begins_where_the_object_does(judge, moving_video):
    video = moving_video()
    late = replace(
        video,
        frames=np.concatenate([video.frames[:3][::-1], video.frames]),
        masks=np.concatenate([np.zeros_like(video.masks[:3]), video.masks]),
        objects={1: 3},
    )
    assert judge(late) == pytest.approx(judge(video))


def test_the_first_object_is_tracked(judge, moving_video):
    video = moving_video()
    other = replace(video, masks=np.where(video.masks == 1, 7, 0).astype(np.uint8), objects={7: 0})
    assert judge(other) == judge(video)


@pytest.mark.parametrize("frames", [1, 5])
def test_a_video_with_its_first_mask_alone_cannot_be_judged(judge, moving_video, frames):
    video = moving_video(4, frames=frames, unannotated=frozenset(range(1, frames)))
    with pytest.raises(InputError, match=f"sequence disc4 has no mask in the {frames - 1} frames after its first"):
        judge(video)


def test_judging_leaves_the_weights_as_they_were(judge, small_model, moving_video):
    before = {name: tensor.clone() for name, tensor in small_model.state_dict().items()}
    judge(moving_video())
    assert all(torch.equal(before[name], tensor) for name, tensor in small_model.state_dict().items())
