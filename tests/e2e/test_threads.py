"""Real artifacts loaded from several threads, each of which runs its own."""

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.data.clips import open_clip
from tinysam2.data.prompts import Point, Prompt
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.tracker import Tracker

THREADS = 3


@pytest.mark.parametrize("target", TARGETS)
def test_threads_that_load_and_track_at_once_come_to_the_masks_of_one(target, artifacts, short_clip, capfd):
    frames = list(open_clip(short_clip / "frames"))[:2]
    height, width, _ = frames[0].shape
    given = {1: Prompt(points=(Point(width / 2, height / 2),))}, {}

    def tracked(start=lambda: None) -> list[np.ndarray]:
        start()
        tracker = Tracker(load_artifacts(TARGETS[target], artifacts))
        start()
        return [tracker.track(frame, prompts).objects[1].logits for frame, prompts in zip(frames, given, strict=True)]

    before = sys.stdout, sys.stderr, logging.root.manager.disable, os.fstat(2).st_ino
    alone, barrier = tracked(), threading.Barrier(THREADS, timeout=300)
    with ThreadPoolExecutor(THREADS) as pool:
        for masks in pool.map(lambda _: tracked(barrier.wait), range(THREADS)):
            for mask, expected in zip(masks, alone, strict=True):
                np.testing.assert_allclose(mask, expected, atol=1e-3)
    assert (sys.stdout, sys.stderr, logging.root.manager.disable, os.fstat(2).st_ino) == before
    capfd.readouterr()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
