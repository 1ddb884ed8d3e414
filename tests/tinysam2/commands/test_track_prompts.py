"""`track --prompts`: objects that begin, are corrected and end in the middle of the video; masks on their own frame."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.data.clips import Clip, open_clip
from tinysam2.data.masks import read_mask, write_mask
from tinysam2.data.prompts import Box, FramePrompts, Point, Prompt
from tinysam2.mobile_runtime.clip_tracking import track_clip
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.weights.checkpoint import load_model

CLICK = {"frame": 0, "object": 1, "points": [[40, 30]]}


@pytest.fixture
def track(run, clip, tmp_path):
    """Runs `track` on the clip, with these entries as a file of prompts."""

    def call(entries, *options, source=clip):
        (tmp_path / "prompts.json").write_text(json.dumps(entries))
        options = options or ("--backend", "torch")
        return run("track", source, "--prompts", tmp_path / "prompts.json", "--output", tmp_path / "tracked", *options)

    return call


@pytest.fixture
def masks(tmp_path):
    """The masks that were written, by frame."""
    return lambda: [read_mask(path, allow_empty=True) for path in sorted((tmp_path / "tracked").glob("*.png"))]


def test_the_documented_example_runs(track, tmp_path):
    page = (Path(__file__).parents[3] / "docs/tracking.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    third = np.zeros((72, 96), np.uint8)
    third[10:40, 10:40] = 3
    write_mask(tmp_path / "masks/00002.png", third)
    result = track(json.loads(example), "--backend", "torch", "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["frames"], summary["objects"], summary["bank_bytes"]) == (4, 3, 3 * 25_176)


def test_the_masks_are_those_of_a_tracker_that_is_told_the_same_frame_by_frame(track, masks, pond):
    second, correction = {"frame": 1, "object": 2, "box": [50, 20, 90, 60]}, {**CLICK, "frame": 2, "points": [[42, 32]]}
    entries = [CLICK, second, correction, {"frame": 3, "object": 2, "remove": True}]
    assert track(entries).exit_code == 0

    tracker = Tracker(TorchBackend(load_model(preset("nano")).model))
    wanted = [
        tracker.track(pond.frames[0], {1: Prompt(points=(Point(40, 30),))}),
        tracker.track(pond.frames[1], {2: Prompt(box=Box(50, 20, 90, 60))}),
        tracker.track(pond.frames[2], {1: Prompt(points=(Point(42, 32),))}),
    ]
    tracker.remove(2)
    wanted.append(tracker.track(pond.frames[3]))
    assert [list(frame.objects) for frame in wanted] == [[1], [1, 2], [1, 2], [1]]
    for found, frame in zip(masks(), wanted, strict=True):
        # The clip's frames are stored as JPEG.
        assert np.mean(found != frame.ids) < 0.02


def test_a_correction_changes_the_mask_from_its_frame_on_only(track, masks, clip):
    assert track([CLICK]).exit_code == 0
    before = masks()
    correction = {"frame": 2, "object": 1, "mask": str(clip / "masks/00002.png")}
    assert track([CLICK, correction]).exit_code == 0
    after = masks()
    assert [np.array_equal(*pair) for pair in zip(before[:2], after[:2], strict=True)] == [True, True]
    assert not np.array_equal(before[2], after[2])


def test_frames_before_the_first_object_and_after_the_last_have_an_empty_mask(track, masks):
    entries = [{**CLICK, "frame": 1}, {"frame": 3, "object": 1, "remove": True}]
    result = track(entries, "--backend", "torch", "--json")
    assert result.exit_code == 0, result.output
    found = masks()
    assert len(found) == 4
    assert not found[0].any()
    assert not found[3].any()
    assert json.loads(result.stdout)["bank_bytes"] == 25_176


@pytest.mark.parametrize("backend", ["coreml"])
def test_artifacts_take_the_same_file(track, masks, coreml_stand_ins, backend):
    entries = [
        {**CLICK, "frame": 1},
        {"frame": 2, "object": 2, "box": [50, 20, 90, 60]},
        {"frame": 3, "object": 1, "remove": True},
    ]
    result = track(entries, "--backend", backend, "--artifacts", coreml_stand_ins, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["objects"] == 2
    found = masks()
    assert not found[0].any()
    assert {1} >= {*np.unique(found[1][found[1] > 0])}
    assert 1 not in found[3]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{**CLICK, "frame": 9}], ["prompts.json, entry 1", "pond has 4 frames"]),
        ([{**CLICK, "points": [[400, 30]]}], ["entry 1: point 400,30 lies outside"]),
        ([CLICK, {"frame": 1, "object": 2, "remove": True}], ["entry 2 removes object 2"]),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_written(track, assert_refused, tmp_path, entries, words):
    assert_refused(track(entries), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.json"]


def test_a_file_of_prompts_stands_alone(track, assert_refused):
    result = track([CLICK], "--backend", "torch", "--point", "40,30")
    assert_refused(result, "--prompts says it all; give it alone")


def test_a_mask_that_the_output_would_replace_is_refused(track, assert_refused, tmp_path, clip):
    (tmp_path / "tracked").mkdir()
    (tmp_path / "tracked/overlay.mp4").touch()
    shutil.copy(clip / "masks/00000.png", tmp_path / "tracked/00000.png")
    result = track([{"frame": 0, "object": 1, "mask": "tracked/00000.png"}])
    assert_refused(result, "would replace the input", "00000.png")


def test_a_wrong_file_is_refused_before_torch_is_loaded(clip, tmp_path):
    (tmp_path / "prompts.json").write_text('[{"frame": 9, "object": 1, "points": [[40, 30]]}]')
    code = (
        "import sys\nfrom tinysam2.cli import commands\n"
        f"arguments = ['track', {str(clip)!r}, '--backend', 'torch', '--prompts', {str(tmp_path / 'prompts.json')!r}, "
        f"'--output', {str(tmp_path / 'o')!r}]\n"
        "try:\n    commands(arguments)\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["2", "False"], answer.stderr


def test_a_clip_of_unknown_length_that_ends_before_a_prompt_is_refused_and_nothing_is_written(
    nano_backend, pond, tmp_path
):
    clip = Clip("pond", 96, 72, 24.0, None, lambda: iter(pond.frames))
    with pytest.raises(InputError, match="frame 7 is prompted, but pond has 4 frames; name an earlier frame"):
        track_clip(nano_backend, clip, {7: FramePrompts({1: Prompt(points=(Point(40, 30),))})}, tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def later(clip, tmp_path):
    """A clip whose only mask is of its second frame."""
    folder = tmp_path / "later"
    shutil.copytree(clip / "frames", folder / "frames")
    (folder / "masks").mkdir()
    shutil.copy(clip / "masks/00001.png", folder / "masks/00001.png")
    return folder


@pytest.mark.parametrize("named", ["", "frames"])
def test_a_clips_own_mask_prompts_the_frame_that_it_is_named_after(run, later, tmp_path, masks, named):
    options = ("--backend", "torch", "--mask", later / "masks/00001.png", "--output", tmp_path / "tracked")
    result = run("track", later / named, *options)
    assert result.exit_code == 0, result.output
    found, truth = masks(), read_mask(later / "masks/00001.png")
    assert not found[0].any()
    assert np.sum((found[1] == 1) & (truth == 1)) / np.sum((found[1] == 1) | (truth == 1)) > 0.7


def test_a_clips_own_mask_that_is_no_frames_is_refused(run, later, tmp_path, assert_refused):
    (later / "masks/00001.png").rename(later / "masks/first.png")
    options = ("--backend", "torch", "--mask", later / "masks/first.png", "--output", tmp_path / "tracked")
    assert_refused(run("track", later, *options), "first.png belongs to no frame", "name the mask after its frame")


def test_a_mask_from_elsewhere_prompts_the_first_frame_whatever_its_name(run, later, tmp_path, masks, clip):
    shutil.copy(clip / "masks/00000.png", tmp_path / "00003.png")
    options = ("--backend", "torch", "--mask", tmp_path / "00003.png", "--output", tmp_path / "tracked")
    assert run("track", later, *options).exit_code == 0
    assert masks()[0].any()


def test_validation_plays_a_clip_from_the_frame_of_its_first_mask(later):
    from tinysam2.inputs.prompts import GivenPrompts, first_mask_of
    from tinysam2.validation.parity.scenes import scene_of_clip

    opened, given = open_clip(later), GivenPrompts(mask=first_mask_of(later))
    scene = scene_of_clip(opened, given.read(opened), 2, given.frame(later))
    frames = list(opened)
    assert scene.frame_count == 2
    assert [np.array_equal(*pair) for pair in zip(scene.read_frames(), frames[1:3], strict=True)] == [True, True]
    assert list(scene.prompts(0)) == [1, 2]
