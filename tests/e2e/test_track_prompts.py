"""`track --prompts` on converted artifacts: the masks of a tracker that is told the same frame by frame."""

import json

import numpy as np
import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.data.clips import open_clip
from tinysam2.data.masks import read_mask
from tinysam2.data.prompts import Box, Point, Prompt
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.tracker import Tracker

pytestmark = pytest.mark.e2e

ENTRIES = [
    {"frame": 1, "object": 1, "points": [[150, 110]]},
    {"frame": 2, "object": 2, "box": [60, 50, 150, 120]},
    {"frame": 3, "object": 1, "points": [[155, 115]]},
    {"frame": 4, "object": 1, "remove": True},
]


@pytest.mark.parametrize("target", list(TARGETS))
def test_objects_begin_are_corrected_and_end_in_mid_video(target, artifacts, clip, run_tinysam2, tmp_path):
    (tmp_path / "prompts.json").write_text(json.dumps(ENTRIES))
    options = ("--artifacts", artifacts, "--prompts", tmp_path / "prompts.json", "--output", tmp_path / "tracked")
    result = run_tinysam2("track", clip, "--backend", target, *options)
    assert result.exit_code == 0, result.output
    found = [read_mask(path, allow_empty=True) for path in sorted((tmp_path / "tracked").glob("*.png"))]
    tracker = Tracker(load_artifacts(TARGETS[target], artifacts))
    asked = {
        1: {1: Prompt(points=(Point(150, 110),))},
        2: {2: Prompt(box=Box(60, 50, 150, 120))},
        3: {1: Prompt(points=(Point(155, 115),))},
    }
    assert not found[0].any()
    for index, frame in enumerate(open_clip(clip)):
        if index == 4:
            tracker.remove(1)
        if index:
            wanted = tracker.track(frame, asked.get(index)).ids
            assert np.mean(found[index] != wanted) < 0.001
