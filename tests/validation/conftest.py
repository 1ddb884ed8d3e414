"""The float model and a short clip that it tracked, for backends to be compared with."""

from dataclasses import dataclass

import numpy as np
import pytest

from mobile_runtime.prompts import Prompt
from mobile_runtime.tracker import TrackedFrame
from validation.recording import Call

FRAMES, SIZE = 3, (96, 72)


@dataclass(frozen=True, eq=False)
class Followed:
    """One frame: what was said of it, what the float model was asked, and its masks."""

    picture: np.ndarray
    prompts: dict[int, Prompt] | None
    calls: list[Call]
    tracked: TrackedFrame


@pytest.fixture(scope="session")
def followed(nano_backend) -> list[Followed]:
    """Two objects through three frames, as the float model tracks them."""
    from mobile_runtime.tracker import Tracker
    from validation.recording import RecordingBackend
    from validation.sample_clip import render_sample_clip

    clip = render_sample_clip(FRAMES, SIZE, objects=2)
    recorder = RecordingBackend(nano_backend)
    tracker, frames = Tracker(recorder), []
    for index, picture in enumerate(clip.frames):
        prompts = {i: Prompt(mask=clip.masks[0] == i) for i in (1, 2)} if index == 0 else None
        tracked = tracker.track(picture, prompts)
        frames.append(Followed(picture, prompts, recorder.take(), tracked))
    return frames
