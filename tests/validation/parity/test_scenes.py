"""What is played, what is said of it and what is known of it: the sample clip, a video, and a data set's sequence."""

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.prompts import prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.data.sequence import VOID, AnnotatedSequence
from tinysam2.validation.parity.scenes import sample_scene, scene_of_clip, scene_of_sequence

SIZE = (12, 16)


class Annotated(AnnotatedSequence):
    """Ids by frame in memory, None where a frame is not annotated; pictures tell their index."""

    name = "pond"

    def __init__(self, masks, objects):
        self.masks, self.objects = masks, objects
        self.frame_names = tuple(f"{index:05d}" for index in range(len(masks)))

    def frame(self, index):
        return np.full((*SIZE, 3), index, np.uint8)

    def ids(self, index):
        return self.masks[index]


def mask(**columns) -> np.ndarray:
    ids = np.zeros(SIZE, np.uint8)
    for name, place in columns.items():
        ids[2:6, place] = int(name[1:])
    return ids


def test_the_sample_clip_is_prompted_on_its_first_frame_and_again_in_its_middle():
    scene = sample_scene()
    assert [index for index in range(scene.frame_count) if scene.prompts(index)] == [0, 20]
    assert set(scene.prompts(0)) == set(scene.objects) == {1, 2}
    assert len(list(scene.read_frames())) == scene.frame_count == 40


@pytest.mark.parametrize(("frames", "prompted"), [(1, [0]), (2, [0, 1]), (6, [0, 3]), (99, [0, 20])])
def test_its_middle_is_that_of_the_frames_that_are_played(frames, prompted):
    scene = sample_scene(frames)
    assert [index for index in range(scene.frame_count) if scene.prompts(index)] == prompted
    assert len(list(scene.read_frames())) == scene.frame_count == min(frames, 40)


def test_its_masks_are_its_truth():
    assert np.array_equal(sample_scene().truth(7), render_sample_clip(40, objects=2).masks[7])


@pytest.mark.parametrize(("max_frames", "count"), [(None, 4), (3, 3), (9, 4)])
def test_of_a_clip_nothing_is_known_but_the_first_prompt(as_clip, max_frames, count):
    clip = render_sample_clip(4, (96, 72))
    prompts = prompts_of_mask(clip.masks[0])
    scene = scene_of_clip(as_clip(clip), prompts, max_frames)
    assert (scene.frame_count, len(list(scene.read_frames()))) == (count, count)
    assert (scene.prompts(0), scene.prompts(1), scene.truth(0)) == (prompts, {}, None)
    assert (scene.width, scene.height, scene.objects) == (96, 72, {1: 0})


MASKS = [None, mask(_1=3), None, mask(_1=4, _2=9), mask(_1=5, _2=slice(9, 11))]


def test_a_sequence_is_played_from_its_first_object_on_and_each_is_prompted_by_its_first_mask():
    scene = scene_of_sequence(Annotated(MASKS, {1: 1, 2: 3}))
    assert [int(frame[0, 0, 0]) for frame in scene.read_frames()] == [1, 2, 3, 4]
    assert scene.objects == {1: 0, 2: 2}
    assert [sorted(scene.prompts(index)) for index in range(4)] == [[1], [], [2], []]
    assert np.array_equal(scene.prompts(2)[2].mask, MASKS[3] == 2)
    assert scene.truth(1) is None
    assert np.array_equal(scene.truth(3), MASKS[4])


def test_an_object_that_begins_after_the_last_frame_played_is_neither_prompted_nor_true():
    masks = [mask(_1=3, _2=9, _255=12), mask(_1=3)]
    scene = scene_of_sequence(Annotated(masks, {1: 0, 2: 1}), max_frames=1)
    assert (scene.frame_count, scene.objects) == (1, {1: 0})
    assert set(np.unique(scene.truth(0))) == {0, 1, VOID}


def test_an_object_that_is_not_where_it_should_begin_is_refused_by_name():
    scene = scene_of_sequence(Annotated([mask(_1=3), mask(_1=3)], {1: 0, 2: 1}))
    with pytest.raises(InputError, match="pond shows nothing of object 2 on frame 00001"):
        scene.prompts(1)
