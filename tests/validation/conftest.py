"""The float model and a short clip that it tracked, for backends to be compared with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from tinysam2.data.clips import Clip
from tinysam2.data.prompts import Prompt, prompts_of_mask
from tinysam2.data.sample_clip import SampleClip, render_sample_clip
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.validation.parity.recording import Call, RecordingBackend
from tinysam2.validation.parity.scenes import Scene, scene_of_clip

FRAMES, SIZE = 3, (96, 72)


@dataclass(frozen=True, eq=False)
class Followed:
    """One frame: what was said of it, what the float model was asked, and its masks."""

    picture: np.ndarray
    prompts: Mapping[int, Prompt]
    calls: list[Call]
    tracked: TrackedFrame


class Recalling(Backend):
    """Answers every call alike."""

    target, runtime = "recalling", "a test"

    def __init__(self, backend: Backend, answer: dict) -> None:
        super().__init__(backend.config)
        self.answer = answer

    def execute(self, program, inputs):
        return self.answer


@pytest.fixture
def recalling(nano_backend):
    """A backend that answers every call with the outputs it is made of."""
    return lambda answer: Recalling(nano_backend, answer)


@pytest.fixture(scope="session")
def as_clip() -> Callable[[SampleClip], Clip]:
    """A rendered clip as `open_clip` would give it."""

    def make(sample: SampleClip) -> Clip:
        height, width = sample.frames[0].shape[:2]
        return Clip("sample", width, height, 24.0, len(sample.frames), lambda: iter(sample.frames))

    return make


@pytest.fixture(scope="session")
def scene(as_clip) -> Scene:
    """Three small frames of two objects, prompted by their masks."""
    clip = render_sample_clip(FRAMES, SIZE, objects=2)
    return scene_of_clip(as_clip(clip), prompts_of_mask(clip.masks[0]))


@pytest.fixture(scope="session")
def followed(nano_backend, scene) -> list[Followed]:
    """The scene as the float model tracks it."""
    recorder = RecordingBackend(nano_backend)
    tracker, frames = Tracker(recorder), []
    for index, picture in enumerate(scene.read_frames()):
        prompts = scene.prompts(index)
        tracked = tracker.track(picture, prompts)
        frames.append(Followed(picture, prompts, recorder.take(), tracked))
    return frames
