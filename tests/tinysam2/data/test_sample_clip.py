"""The sample clip is the same every time, its object hides and returns, and its masks are its frames' own."""

import time

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.clips import open_clip
from tinysam2.data.masks import read_mask
from tinysam2.data.sample_clip import render_sample_clip, write_sample_clip


@pytest.fixture(scope="module")
def clip():
    return render_sample_clip()


@pytest.fixture(scope="module")
def two_fish():
    return render_sample_clip(frames=12, size=(160, 120), objects=2)


def test_it_has_the_frames_and_masks_asked_for(clip):
    assert len(clip.frames) == len(clip.masks) == 40
    assert {(f.shape, f.dtype.name) for f in clip.frames} == {((240, 320, 3), "uint8")}
    assert {(m.shape, m.dtype.name) for m in clip.masks} == {((240, 320), "uint8")}
    assert set(np.unique(clip.masks).tolist()) == {0, 1}


def test_it_is_rendered_in_under_two_seconds_of_processor_time():
    start = time.process_time()
    render_sample_clip()
    assert time.process_time() - start < 2


def test_the_same_arguments_give_the_same_clip_and_another_seed_another():
    first, again, other = (render_sample_clip(frames=3, size=(96, 72), seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert (np.array(first.frames) != np.array(other.frames)).any()


@pytest.mark.parametrize("size", [(320, 240), (256, 256), (426, 240), (96, 128)])
def test_the_object_hides_once_for_a_few_middle_frames_and_comes_back(size):
    masks = render_sample_clip(size=size).masks
    hidden = [index for index, mask in enumerate(masks) if not mask.any()]
    assert 3 <= len(hidden) <= 8
    assert hidden == list(range(hidden[0], hidden[-1] + 1))
    assert 10 < hidden[0] <= 20 <= hidden[-1] < 30


def test_the_object_moves_turns_and_scales(clip):
    first, last = (np.argwhere(clip.masks[index]) for index in (0, -1))
    assert np.linalg.norm(first.mean(axis=0) - last.mean(axis=0)) > 160
    assert len(last) > 1.3 * len(first)
    directions = [np.linalg.eigh(np.cov(np.argwhere(clip.masks[index]).T))[1][:, 1] for index in (0, 30)]
    assert abs(directions[0] @ directions[1]) < np.cos(np.radians(45))


def test_the_object_is_whole_and_within_the_first_frame(clip):
    rows, columns = np.nonzero(clip.masks[0])
    assert rows.min() > 0
    assert rows.max() < 239
    assert columns.min() > 0
    assert columns.max() < 319
    assert 1000 < len(rows) < 5000


def test_the_mask_covers_the_bright_fish_and_not_the_bed_beside_it(clip):
    frame, mask = clip.frames[0].astype(int), clip.masks[0] > 0
    beside = np.zeros_like(mask)
    rows, columns = np.nonzero(mask)
    beside[rows.min() : rows.max(), columns.min() : columns.max()] = True
    beside &= ~mask
    assert frame[mask][:, 0].mean() > frame[beside][:, 0].mean() + 80


def test_edges_are_blended_not_stepped(clip):
    columns = clip.frames[0].astype(int)[..., 0]
    edge = np.diff(clip.masks[0].astype(int), axis=1) != 0
    steps = np.abs(np.diff(columns, axis=1))[edge]
    assert np.ptp(steps) > 60


def test_a_second_fish_swims_over_the_first_and_stays_in_sight(two_fish):
    one_fish = render_sample_clip(frames=12, size=(160, 120))
    covered = [(a == 1) & (b == 2) for a, b in zip(one_fish.masks, two_fish.masks, strict=True)]
    assert any(c.sum() > 20 for c in covered)
    assert all((m == 2).any() for m in two_fish.masks)
    assert any((m == 1).any() and (m == 2).any() for m in two_fish.masks)


def test_it_is_written_as_davis_lays_it_out(tmp_path, two_fish):
    folder = write_sample_clip(tmp_path / "sample", frames=12, size=(160, 120), objects=2)
    assert sorted(p.name for p in folder.iterdir()) == ["frames", "masks"]
    assert sorted(p.name for p in (folder / "masks").iterdir()) == [f"{i:05d}.png" for i in range(12)]
    for index, mask in enumerate(two_fish.masks):
        read = read_mask(folder / "masks" / f"{index:05d}.png", size=(160, 120), allow_empty=True)
        np.testing.assert_array_equal(read, mask)
    for read, frame in zip(open_clip(folder), two_fish.frames, strict=True):
        assert np.abs(read.astype(int) - frame).mean() < 5


def test_it_replaces_a_former_sample_and_nothing_else(tmp_path):
    for _ in range(2):
        write_sample_clip(tmp_path / "sample", frames=1, size=(32, 32))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(InputError, match="photos: it is not empty"):
        write_sample_clip(tmp_path / "photos", frames=1, size=(32, 32))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "sample"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [({"frames": 0}, "frames is 0"), ({"size": (31, 64)}, "32 pixels"), ({"objects": 3}, "objects is 3")],
)
def test_impossible_arguments_are_errors(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        render_sample_clip(**arguments)
