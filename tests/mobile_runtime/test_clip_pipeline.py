"""A clip tracked in a pipeline: the masks of the serial run, the same refusals, and no output after one."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.clips import open_clip
from tinysam2.data.masks import read_mask
from tinysam2.data.prompts import FramePrompts, Point, Prompt
from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.clip_pipeline import OVERLAY, encoded_frames, started_pipeline
from tinysam2.mobile_runtime.clip_tracking import track_clip
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker

SIZE = (96, 72)
TORCH = "tinysam2.mobile_runtime.torch_backend"
PROMPTS = {
    1: FramePrompts({1: Prompt(points=(Point(40, 30),))}),
    2: FramePrompts({2: Prompt(points=(Point(60, 40),))}),
    4: FramePrompts(removed=(1, 2)),
    5: FramePrompts({3: Prompt(points=(Point(20, 50),))}),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_sample_clip(tmp_path_factory.mktemp("clips") / "pond", 7, SIZE) / "frames"


@pytest.fixture
def tracked(nano_model, tmp_path):
    """Tracks a clip to a folder, in a pipeline or not."""

    def run(clip, name: str, pipelined: bool, backend: Backend | None = None):
        output, backend = tmp_path / name, backend or TorchBackend(nano_model)
        if not pipelined:
            return track_clip(backend, clip, PROMPTS, output), output
        with started_pipeline(TORCH) as pipeline:
            return track_clip(backend, clip, PROMPTS, output, pipeline=pipeline), output

    return run


def test_the_masks_are_those_of_the_serial_run_in_every_pixel(tracked, clip):
    serial, alone = tracked(open_clip(clip), "serial", False)
    pipelined, beside = tracked(open_clip(clip), "pipelined", True)
    names = [f"{index:05d}.png" for index in range(7)]
    assert sorted(path.name for path in beside.iterdir()) == [*names, OVERLAY]
    masks = [[read_mask(folder / name, allow_empty=True) for name in names] for folder in (alone, beside)]
    np.testing.assert_array_equal(*masks)
    assert [bool(mask.any()) for mask in masks[1]] == [False, True, True, True, False, True, True]
    assert (pipelined.frames, pipelined.objects, pipelined.bank_bytes) == (7, 3, serial.bank_bytes)
    assert pipelined.milliseconds_per_frame > 0


class Local(Backend):
    """Runs the model in this process only."""

    target, runtime = "local", "a test"

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner.config)
        self.execute = inner.execute

    def execute(self, program, inputs):
        raise NotImplementedError


def test_a_backend_that_nothing_loads_again_encodes_in_this_process(tracked, clip, nano_model):
    backend = Local(TorchBackend(nano_model))
    assert backend.loader() is None
    _, alone = tracked(open_clip(clip), "serial", False)
    _, beside = tracked(open_clip(clip), "pipelined", True, backend)
    for path in alone.glob("*.png"):
        assert path.read_bytes() == (beside / path.name).read_bytes()


def test_a_frame_that_cannot_be_read_ends_both_alike_and_leaves_no_output(tracked, clip, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for picture in clip.iterdir():
        (frames / picture.name).write_bytes(picture.read_bytes())
    opened = open_clip(frames)
    damaged = sorted(frames.iterdir())[3]
    damaged.write_bytes(damaged.read_bytes()[:300])
    said = []
    for pipelined in (False, True):
        with pytest.raises(InputError) as refused:
            tracked(opened, "output", pipelined)
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert damaged.name in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["frames"]


def test_an_output_that_cannot_be_written_is_refused_in_the_same_words(tracked, clip, tmp_path):
    (tmp_path / "file").write_text("in the way")
    said = []
    for pipelined in (False, True):
        with pytest.raises(InputError) as refused:
            tracked(open_clip(clip), "file/output", pipelined)
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_only_frames_with_an_object_are_encoded(nano_model, clip):
    tracker = Tracker(TorchBackend(nano_model))
    frames = list(encoded_frames(tracker, open_clip(clip), PROMPTS))
    assert [frame.features is not None for frame in frames] == [False, True, True, True, False, True, True]


def test_features_that_are_given_are_the_ones_that_are_tracked(nano_model, clip):
    backend, frame = TorchBackend(nano_model), next(iter(open_clip(clip)))
    encoding, given = Tracker(backend), Tracker(backend)
    prompts = {1: Prompt(points=(Point(40, 30),))}
    expected = encoding.track(frame, prompts)
    found = given.track(np.zeros_like(frame), prompts, given.encode(frame))
    np.testing.assert_array_equal(found.objects[1].logits, expected.objects[1].logits)


def test_ctrl_c_ends_all_processes_with_one_sentence_and_no_output(tmp_path):
    write_sample_clip(tmp_path / "pond", 400, SIZE)
    code = "from tinysam2.cli import main; main()"
    arguments = ("track", "pond/frames", "--backend", "torch", "--point", "40,30", "--output", "tracked", "--pipeline")
    started = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # The step's name is printed when the first frame is asked for.
    assert started.stderr is not None
    next(line for line in iter(partial(started.stderr.readline), "") if line.startswith("tracking"))
    os.killpg(started.pid, signal.SIGINT)
    output, error = started.communicate(timeout=120)
    assert (started.returncode, output) == (130, "")
    assert error.splitlines()[-1] == "error: interrupted; earlier outputs are as they were"
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["pond"]
