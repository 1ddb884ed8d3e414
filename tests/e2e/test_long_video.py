"""A video's length does not show in memory.

Slow: `pytest -m slow tests/e2e/test_long_video.py` takes about an hour, conversion included.
"""

from pathlib import Path

import numpy as np
import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.data.prompts import Point, Prompt
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.validation.memory.process import TORCH

FRAMES, SETTLED = 10_000, 500
ALLOWANCE_MIB = 4
"""The allocator's own coming and going; one frame kept by mistake in each of 9,500 would be 2 GiB."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("runtime", [TORCH, *TARGETS])
def test_ten_thousand_frames_take_the_memory_of_five_hundred(request, runtime):
    tracker = Tracker(_backend(request, runtime))
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (16, 240, 320, 3), np.uint8)
    tracker.track(frames[0], {1: Prompt(points=(Point(160, 120),))})
    bank_bytes = tracker.bank_bytes

    for index in range(1, FRAMES):
        tracker.track(frames[index % len(frames)])
        if index == SETTLED:
            settled = _resident_mib()

    assert _resident_mib() - settled < ALLOWANCE_MIB
    assert tracker.bank_bytes == bank_bytes


def _backend(request, runtime: str) -> Backend:
    if runtime == TORCH:
        return request.getfixturevalue("nano_backend")
    return load_artifacts(TARGETS[runtime], request.getfixturevalue("artifacts"))


def _resident_mib() -> float:
    """Resident anonymous memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024
