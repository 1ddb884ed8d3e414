"""`track`: masks and an overlay video from a clip and a prompt, in constant memory."""

import json
import weakref

import numpy as np
import pytest
from PIL import Image

from tinysam2.core.config import preset
from tinysam2.data.clips import Clip, open_clip
from tinysam2.data.masks import read_mask
from tinysam2.data.prompts import FramePrompts, Point, Prompt
from tinysam2.mobile_runtime.clip_tracking import track_clip
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.weights.checkpoint import load_model

NAMES = ["00000.png", "00001.png", "00002.png", "00003.png", "overlay.mp4"]


@pytest.fixture
def track(run, clip, tmp_path):
    """Runs `track` on the clip with the float model, to `tracked` unless told otherwise."""

    def call(*options, source=clip, output=tmp_path / "tracked"):
        return run("track", source, "--backend", "torch", *options, "--output", output)

    return call


def test_a_folder_gets_one_mask_a_frame_and_the_overlay(track, tmp_path):
    result = track("--point", "40,30")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "tracked").iterdir()) == NAMES
    with Image.open(tmp_path / "tracked/00003.png") as mask:
        assert (mask.mode, mask.size) == ("P", (96, 72))
    overlay = open_clip(tmp_path / "tracked/overlay.mp4")
    assert (overlay.width, overlay.height, len(list(overlay))) == (96, 72, 4)


def test_the_last_line_says_frames_time_and_memory(track):
    line = track("--point", "40,30").stdout.splitlines()[-1]
    assert "4 frames, 1 object" in line
    assert "ms per frame" in line
    assert "bank 25,176 bytes" in line


def test_what_ran_is_said_and_whether_its_weights_are_untrained(track, monkeypatch, tmp_path):
    monkeypatch.setattr("tinysam2.models.weights.checkpoint.WEIGHTS", tmp_path / "none")
    assert "nano fp32, run by PyTorch, fp32; untrained weights" in track("--point", "40,30").stdout


def test_an_mp4_gets_the_overlay_alone(track, tmp_path):
    assert track("--point", "40,30", output=tmp_path / "tracked.mp4").exit_code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["tracked.mp4"]


def test_a_video_file_is_tracked_like_a_folder(track, video, tmp_path):
    assert track("--box", "20,10,70,60", source=video).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "tracked").iterdir()) == NAMES


def test_the_masks_are_the_trackers_own(track, clip, tmp_path):
    track("--point", "40,30", "--point", "5,5,0")
    tracker = Tracker(TorchBackend(load_model(preset("nano")).model))
    prompts = {1: Prompt(points=(Point(40, 30), Point(5, 5, positive=False)))}
    for index, frame in enumerate(open_clip(clip)):
        expected = tracker.track(frame, prompts if index == 0 else None).ids
        written = read_mask(tmp_path / f"tracked/{index:05d}.png", allow_empty=True)
        np.testing.assert_array_equal(written, expected)


def test_each_id_of_a_mask_is_tracked_as_its_own_object(track, clip, tmp_path):
    result = track("--mask", clip / "masks/00000.png", "--json")
    summary = json.loads(result.stdout)
    assert summary["objects"] == 2
    assert summary["bank_bytes"] == 2 * 25_176
    first = read_mask(tmp_path / "tracked/00000.png")
    # A mask is taken as the answer on its own frame, up to the resolution that the model keeps.
    truth = read_mask(clip / "masks/00000.png")
    for object_id in (1, 2):
        both = np.sum((first == object_id) & (truth == object_id))
        assert both / np.sum((first == object_id) | (truth == object_id)) > 0.7


def test_the_json_summary_is_all_that_is_printed(track, tmp_path):
    summary = json.loads(track("--point", "40,30", "--json").stdout)
    assert summary["frames"] == 4
    assert summary["objects"] == 1
    assert summary["milliseconds_per_frame"] > 0
    assert summary["bank_bytes"] == 25_176
    assert (summary["backend"], summary["preset"], summary["precision"]) == ("torch", "nano", "fp32")
    assert summary["trained"] is True
    assert summary["output"] == str(tmp_path / "tracked")


def test_a_former_output_is_replaced_whole(track, tmp_path):
    (tmp_path / "tracked").mkdir()
    for name in ("overlay.mp4", "00099.png"):
        (tmp_path / "tracked" / name).write_bytes(b"former")
    assert track("--point", "40,30").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "tracked").iterdir()) == NAMES


def test_frames_are_let_go_as_soon_as_they_are_tracked(nano_model, tmp_path, pond):
    seen: list[weakref.ref] = []

    def frames():
        for frame in pond.frames:
            fresh = frame.copy()
            seen.append(weakref.ref(fresh))
            assert sum(reference() is not None for reference in seen) <= 2
            yield fresh

    clip = Clip("pond", 96, 72, 24.0, None, frames)
    tracked = track_clip(
        TorchBackend(nano_model), clip, {0: FramePrompts({1: Prompt(points=(Point(40, 30),))})}, tmp_path / "o.mp4"
    )
    assert tracked.frames == len(seen) == 4


def test_a_single_frame_is_a_clip(track, tmp_path, pond):
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.fromarray(pond.frames[0]).save(folder / "0.png")
    result = track("--point", "40,30", "--json", source=folder)
    assert json.loads(result.stdout)["milliseconds_per_frame"] > 0
