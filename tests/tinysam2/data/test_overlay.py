"""Overlays tint and outline each object; videos are written whole or not at all."""

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.clips import open_clip
from tinysam2.data.overlay import VideoWriter, draw_overlay, overlay_colours

GREY = np.full((40, 60, 3), 100, np.uint8)


@pytest.fixture
def square() -> np.ndarray:
    ids = np.zeros((40, 60), np.uint8)
    ids[10:30, 20:40] = 1
    return ids


# Pictures


def test_the_background_stays_as_it_is_and_the_frame_given_too(square):
    frame = GREY.copy()
    drawn = draw_overlay(frame, square)
    np.testing.assert_array_equal(frame, GREY)
    changed = np.argwhere((drawn != GREY).any(axis=-1))
    assert (changed.min(axis=0).tolist(), changed.max(axis=0).tolist()) == ([9, 19], [30, 40])


def test_the_outline_is_two_pixels_wide_and_of_the_objects_colour(square):
    row = draw_overlay(GREY, square)[20]
    assert np.flatnonzero((row == overlay_colours()[1]).all(axis=-1)).tolist() == [19, 20, 39, 40]


def test_the_inside_is_tinted_by_the_opacity(square):
    for opacity in (0.0, 0.4, 1.0):
        inside = draw_overlay(GREY, square, opacity=opacity)[20, 30].astype(int)
        expected = 100 * (1 - opacity) + overlay_colours()[1] * opacity
        assert np.abs(inside - expected).max() <= 1.5


def test_a_line_one_pixel_thin_is_seen_at_full_colour():
    ids = np.zeros((40, 60), np.uint8)
    ids[20, 5:55] = 2
    drawn = draw_overlay(GREY, ids)
    assert (drawn[19:22, 10:50] == overlay_colours()[2]).all()


def test_no_outline_runs_along_the_frames_edge():
    drawn = draw_overlay(GREY, np.ones((40, 60), np.uint8))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_touching_objects_are_parted_by_their_outlines():
    ids = np.ones((40, 60), np.uint8)
    ids[:, 30:] = 2
    row = draw_overlay(GREY, ids)[20]
    assert row[29].tolist() == overlay_colours()[1].tolist()
    assert row[30].tolist() == overlay_colours()[2].tolist()


def test_no_two_objects_share_a_colour():
    assert len(np.unique(overlay_colours(), axis=0)) == 256


def test_a_mask_of_another_size_is_an_error():
    with pytest.raises(ValueError, match=r"\(40, 60, 3\).*\(40, 61\)"):
        draw_overlay(GREY, np.zeros((40, 61), np.uint8))


# Videos


def test_a_written_video_reads_back_with_its_rate_size_and_colours(tmp_path):
    colours = [(200, 30, 60), (30, 180, 40), (20, 60, 220)]
    with VideoWriter(tmp_path / "out.mp4", 30000 / 1001) as writer:
        for colour in colours:
            writer.write(np.full((48, 64, 3), colour, np.uint8))
    clip = open_clip(tmp_path / "out.mp4")
    assert (clip.width, clip.height, clip.frame_count) == (64, 48, 3)
    assert clip.frames_per_second == pytest.approx(30000 / 1001)
    for frame, colour in zip(clip, colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 8


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64), (1, 1)])
def test_odd_sides_grow_by_one_pixel(tmp_path, size):
    with VideoWriter(tmp_path / "out.mp4", 24) as writer:
        writer.write(np.full((*size, 3), 90, np.uint8))
    frame = next(iter(open_clip(tmp_path / "out.mp4")))
    assert frame.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(frame.astype(int) - 90).max() <= 4


def test_a_video_is_written_where_ffmpeg_lacks_x264(tmp_path, monkeypatch):
    monkeypatch.setattr("av.codecs_available", {"mpeg4"})
    with VideoWriter(tmp_path / "out.mp4", 30000 / 1001) as writer:
        for _ in range(3):
            writer.write(GREY)
    assert len(list(open_clip(tmp_path / "out.mp4"))) == 3


def write(path, frames, failure=None):
    with VideoWriter(path, 24) as writer:
        for frame in frames:
            writer.write(frame)
        if failure is not None:
            raise failure


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_former_video_whole_and_nothing_else(tmp_path, failure):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"former")
    with pytest.raises(failure):
        write(path, [GREY], failure)
    assert path.read_bytes() == b"former"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("frames", "reason"), [([], "no frame was written"), ([GREY, GREY[1:]], "all must be equal")])
def test_a_video_without_frames_or_with_frames_of_two_sizes_is_an_error(tmp_path, frames, reason):
    with pytest.raises(ValueError, match=reason):
        write(tmp_path / "out.mp4", frames)
    assert not list(tmp_path.iterdir())


def test_a_destination_that_cannot_be_written_is_refused_before_any_frame(tmp_path):
    with pytest.raises(InputError, match="it is a folder; name a file"):
        VideoWriter(tmp_path, 24)
