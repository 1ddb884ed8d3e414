"""Frames are stretched to a square canvas, and kept in memory up to a limit."""

from collections import Counter

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.resampling import resize_image
from tinysam2.models.training.footage import Footage

SIDE = 32
ONE_FRAME = 4 * SIDE * SIDE
"""Bytes that a kept frame and its mask take."""


@pytest.fixture
def reads(monkeypatch, moving_video):
    """A video of 64x48 and how often each of its frames was read."""
    video, counted = moving_video(size=(64, 48)), Counter()
    read = type(video).frame

    def counting(self, index):
        counted[index] += 1
        return read(self, index)

    monkeypatch.setattr(type(video), "frame", counting)
    return video, counted


def test_without_a_video_there_is_nothing_to_train_on():
    with pytest.raises(InputError, match="there is no video to train on; name a dataset"):
        Footage((), SIDE)


def test_a_frame_and_its_mask_are_stretched_to_the_canvas(moving_video):
    video = moving_video(size=(64, 48))
    picture, ids = Footage((video,), SIDE).picture(0, 2)
    assert (picture.shape, picture.dtype) == ((SIDE, SIDE, 3), np.uint8)
    assert (ids.shape, ids.dtype) == ((SIDE, SIDE), np.uint8)
    assert set(np.unique(ids)) == {0, 1}
    assert ids.mean() == pytest.approx(video.masks[2].mean(), abs=0.02)
    wanted = video.frames[2][video.masks[2] == 1].mean(0)
    assert picture[ids == 1].mean(0) == pytest.approx(wanted, abs=15)


def test_ids_are_not_mixed_by_stretching(moving_video):
    video = moving_video(size=(64, 48))
    video.masks[:] *= 200
    assert set(np.unique(Footage((video,), SIDE).picture(0, 0)[1])) == {0, 200}


def test_a_frame_without_annotation_has_no_ids(moving_video):
    assert Footage((moving_video(unannotated=frozenset({1})),), SIDE).picture(0, 1)[1] is None


def test_the_aspect_is_of_the_video_before_it_was_stretched(moving_video):
    footage = Footage((moving_video(size=(64, 48)), moving_video(size=(48, 64))), SIDE)
    assert [footage.aspect(0), footage.aspect(1)] == pytest.approx([4 / 3, 3 / 4])


def test_a_kept_frame_is_not_read_again(reads):
    video, counted = reads
    footage = Footage((video,), SIDE)
    first = footage.picture(0, 3)
    assert footage.picture(0, 3) is first
    assert counted == {3: 1}


def test_what_was_not_used_longest_goes_first_when_the_limit_is_reached(reads):
    video, counted = reads
    footage = Footage((video,), SIDE, cache_bytes=2 * ONE_FRAME)
    for index in (0, 1, 0, 2, 0, 1):
        footage.picture(0, index)
    assert counted == {0: 1, 1: 2, 2: 1}


@pytest.mark.parametrize(("limit", "kept"), [(0, 1), (ONE_FRAME, 1), (3 * ONE_FRAME + 1, 3), (100 * ONE_FRAME, 8)])
def test_no_more_is_kept_than_the_limit_but_one_frame(reads, limit, kept):
    video, counted = reads
    footage = Footage((video,), SIDE, cache_bytes=limit)
    for index in [*range(8), *reversed(range(8))]:
        footage.picture(0, index)
    assert sum(counted.values()) == 16 - kept


def test_the_nearest_annotated_frame_is_found_in_both_directions(moving_video):
    footage = Footage((moving_video(unannotated=frozenset({1, 2, 3, 5})),), SIDE)
    assert [footage.annotated(0, index, 1) for index in (0, 1, 4, 5)] == [0, 4, 4, 6]
    footage.picture(0, 2)
    assert [footage.annotated(0, index, -1) for index in (2, 3, 4, 5)] == [0, 0, 4, 4]


def test_frames_are_resized_by_the_frame_contract_unless_another_filter_is_named(moving_video):
    video = moving_video(size=(64, 48))
    picture, _ = Footage((video,), SIDE).picture(0, 2)
    assert np.array_equal(picture, resize_image(video.frames[2], SIDE, SIDE))


def test_pictures_of_other_filters_are_kept_apart_and_their_ids_are_the_same(reads):
    video, counted = reads
    footage = Footage((video,), SIDE)
    first, second = footage.picture(0, 3), footage.picture(0, 3, "lanczos")
    assert not np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert footage.picture(0, 3, "lanczos") is second
    assert counted == {3: 2}
