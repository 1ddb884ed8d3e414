"""The gallery shows a clip of any length by a handful of frames, the worst among them, and every differing pixel."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinysam2.data.tracked import TrackedFrame, TrackedObject
from tinysam2.validation.reporting.gallery import LONGEST_SIDE, Gallery, draw_difference

SIZE = (24, 32)


def tracked(ids: np.ndarray) -> TrackedFrame:
    height, width = ids.shape
    objects = {i: TrackedObject(np.where(ids == i, 1, -1).astype(np.float32), 0.9, 5.0) for i in (1, 2)}
    return TrackedFrame(objects, width, height)


def square(left: int = 4, size: tuple[int, int] = SIZE) -> np.ndarray:
    ids = np.zeros(size, np.uint8)
    ids[4:12, left : left + 8] = 1
    return ids


def begun(even_frames: int = 4) -> Gallery:
    gallery = Gallery(even_frames)
    gallery.begin("koi")
    return gallery


def filled(ious: list[float], even_frames: int = 4) -> Gallery:
    gallery, frame, answer = begun(even_frames), np.zeros((*SIZE, 3), np.uint8), tracked(square())
    for iou in ious:
        gallery.add(frame, answer, {"coreml": (answer, iou)})
    return gallery


def opened(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 6))
def test_frames_of_a_clip_of_any_length_are_evenly_spaced_from_first_to_last(frames, even_frames):
    shown = [shot.frame for shot in filled([1.0] * frames, even_frames).shots()]
    assert shown == sorted(set(shown))
    assert shown[0] == 0
    assert len(shown) == min(frames, even_frames)
    if even_frames > 1:
        assert shown[-1] == frames - 1
        gaps = np.diff(shown)
        assert len(gaps) == 0 or gaps.max() <= 2 * (frames - 1) / (len(shown) - 1) + 1


def test_only_a_few_frames_are_ever_held():
    gallery = filled([1.0] * 500)
    assert len(gallery._even) <= 2 * gallery.even_frames


def test_the_worst_frame_is_shown_and_named_wherever_it_lies():
    ious = [1.0] * 100
    ious[37], ious[61] = 0.4, 0.5
    shots = filled(ious).shots()
    assert [shot.frame for shot in shots if shot.worst_of] == [37]
    assert next(shot for shot in shots if shot.frame == 37).worst_of == ("coreml",)


def test_where_no_frame_differs_none_is_called_the_worst():
    assert [shot.worst_of for shot in filled([1.0] * 3).shots()] == [()] * 3


def test_of_several_clips_frames_are_named_by_their_clip_and_counted_in_it():
    gallery, frame, answer = Gallery(even_frames=3), np.zeros((*SIZE, 3), np.uint8), tracked(square())
    for name, ious in (("koi", [1.0] * 3), ("newt", [1.0, 0.7, 1.0, 1.0]), ("heron", [1.0])):
        gallery.begin(name)
        for iou in ious:
            gallery.add(frame, answer, {"coreml": (answer, iou)})
    shots = gallery.shots()
    assert {(shot.clip, shot.clip_name, shot.frame) for shot in shots} >= {
        (0, "koi", 0),
        (1, "newt", 1),
        (2, "heron", 0),
    }
    [worst] = [shot for shot in shots if shot.worst_of]
    assert (worst.clip, worst.frame) == (1, 1)


def test_no_frame_gives_no_pictures():
    assert Gallery().shots() == ()


def test_differing_pixels_are_counted_at_the_frames_own_size():
    gallery = begun()
    frame = np.zeros((*SIZE, 3), np.uint8)
    other = np.where(square() == 1, 2, 0).astype(np.uint8)
    gallery.add(
        frame,
        tracked(square()),
        {
            "coreml": (tracked(square(left=5)), 0.8),
            "tflite": (tracked(other), 0.0),
            "executorch": (tracked(square()), 1.0),
        },
    )
    [shot] = gallery.shots()
    counts = {name: (t.only_target, t.only_float, t.other_object) for name, t in shot.targets.items()}
    assert counts == {"coreml": (8, 8, 0), "tflite": (0, 0, 64), "executorch": (0, 0, 0)}
    assert shot.worst_of == ("coreml", "tflite")


def test_pictures_are_small_and_keep_the_frames_shape():
    size = (540, 960)
    gallery, answer = begun(), tracked(square(size=size))
    gallery.add(np.zeros((*size, 3), np.uint8), answer, {"coreml": (answer, 1.0)})
    [shot] = gallery.shots()
    assert (shot.width, shot.height) == (LONGEST_SIDE, round(LONGEST_SIDE * 540 / 960))
    for picture in (shot.float_masks, shot.targets["coreml"].masks, shot.targets["coreml"].difference):
        assert opened(picture).shape == (shot.height, shot.width, 3)


def test_a_single_pixel_shows_in_the_reduced_difference():
    size = (900, 1600)
    expected = square(size=size)
    ids = expected.copy()
    ids[601, 1203] = 1
    gallery = begun()
    gallery.add(np.full((*size, 3), 128, np.uint8), tracked(expected), {"a": (tracked(ids), 0.99)})
    [shot] = gallery.shots()
    difference = opened(shot.targets["a"].difference).astype(int)
    y, x = 601 * shot.height // 900, 1203 * shot.width // 1600
    near = difference[y - 3 : y + 4, x - 3 : x + 4]
    assert near.max() > 220
    assert near.min() < 60
    assert np.ptp(difference[:50, :50]) < 40


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_both_sorts_of_difference_stand_out_on_any_frame_without_colour(grey):
    more, less = np.zeros((2, *SIZE), bool)
    more[5:9, 5:9] = less[15:19, 20:24] = True
    drawn = draw_difference(np.full((*SIZE, 3), grey, np.uint8), more, less)
    background = int(drawn[0, 0])
    assert 60 < background < 200
    assert (drawn[5:9, 5:9] == 255).all()
    assert (drawn[15:19, 20:24] == 0).all()
    assert (drawn[3, 3:11] == 0).all()
    assert (drawn[13, 18:26] == 255).all()
