"""Artifacts loaded in several threads at once, and one backend a thread."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.core.targets import TARGETS
from tinysam2.mobile_runtime.loading import load_artifacts

THREADS = 4


@pytest.mark.parametrize("target", list(TARGETS))
def test_backends_loaded_and_run_in_their_own_threads_give_what_one_alone_gives(int8_artifacts, target):
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 256, 256)).astype(np.float32)
    alone = load_artifacts(TARGETS[target], int8_artifacts).run(IMAGE_ENCODER, {"image": image})
    begin, streams = Barrier(THREADS), (sys.stdout, sys.stderr)

    def load_and_run(_):
        begin.wait(60)
        backend = load_artifacts(TARGETS[target], int8_artifacts)
        return [backend.run(IMAGE_ENCODER, {"image": image}) for _ in range(3)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for answers in pool.map(load_and_run, range(THREADS)) for answer in answers]
    assert len(answers) == 3 * THREADS
    for answer in answers:
        for name, value in alone.items():
            np.testing.assert_array_equal(answer[name], value, name)
    assert (sys.stdout, sys.stderr) == streams
