"""One backend and one tracker a thread: that works, and sharing one is refused."""

import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from tinysam2.core.config import preset
from tinysam2.core.contract import program_contract
from tinysam2.core.errors import InputError
from tinysam2.data.prompts import Point, Prompt
from tinysam2.mobile_runtime import loading
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker

NANO = preset("nano")
FRAME = np.zeros((72, 96, 3), np.uint8)
CLICK = {1: Prompt(points=(Point(48, 36),))}


class HeldBackend(Backend):
    """Stays in a program until it is released."""

    target, runtime = "held", "a test"

    def __init__(self) -> None:
        super().__init__(NANO)
        self.entered, self.release = threading.Event(), threading.Event()

    def execute(self, program, inputs):
        self.entered.set()
        assert self.release.wait(30)
        return {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in self.contract[program].outputs}


def zeros(program: str) -> dict[str, np.ndarray]:
    return {spec.name: np.zeros(spec.shape, np.float32) for spec in program_contract(NANO)[program].inputs}


def test_a_backend_that_runs_in_another_thread_refuses_and_serves_again_afterwards():
    backend = HeldBackend()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(backend.run, "mask_decoder", zeros("mask_decoder"))
        assert backend.entered.wait(30)
        with pytest.raises(InputError, match="HeldBackend is running in another thread; load a backend for each"):
            backend.run("mask_decoder", zeros("mask_decoder"))
        backend.release.set()
        assert other.result(30).keys() == backend.run("mask_decoder", zeros("mask_decoder")).keys()


def test_a_program_that_fails_leaves_its_backend_free():
    class Failing(HeldBackend):
        def execute(self, program, inputs):
            raise RuntimeError("out of memory")

    backend = Failing()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            backend.run("mask_decoder", zeros("mask_decoder"))


@pytest.mark.parametrize(
    "use",
    [
        lambda tracker: tracker.track(FRAME, CLICK),
        lambda tracker: tracker.segment(FRAME, CLICK),
        lambda tracker: tracker.remove(1),
    ],
    ids=["track", "segment", "remove"],
)
def test_a_tracker_in_use_by_another_thread_refuses_and_keeps_its_objects(use):
    backend = HeldBackend()
    tracker = Tracker(backend)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(tracker.track, FRAME, CLICK)
        assert backend.entered.wait(30)
        with pytest.raises(InputError, match="this tracker is in use by another thread; make a tracker"):
            use(tracker)
        backend.release.set()
        other.result(30)
    assert set(tracker.banks) == {1}
    tracker.remove(1)


def test_a_tracker_and_a_backend_in_each_thread_track_as_alone(nano_model):
    def tracked(start=lambda: None) -> np.ndarray:
        tracker = Tracker(TorchBackend(nano_model))
        start()
        tracker.track(FRAME, CLICK)
        return tracker.track(FRAME).objects[1].logits

    alone = tracked()
    barrier = threading.Barrier(3, timeout=60)
    with ThreadPoolExecutor(3) as pool:
        for logits in pool.map(lambda _: tracked(barrier.wait), range(3)):
            np.testing.assert_allclose(logits, alone, atol=1e-4)


def test_artifacts_are_loaded_one_at_a_time_and_leave_the_terminal_as_it_was(monkeypatch):
    inside, most, start = [], [], threading.Barrier(4, timeout=30)

    def load(folder, card):
        inside.append(folder)
        most.append(len(inside))
        inside.remove(folder)
        return folder

    monkeypatch.setattr(loading, "read_card", lambda folder, target: None)
    target = SimpleNamespace(load_backend=lambda: SimpleNamespace(load=load))

    def load_one(number: int):
        start.wait()
        return loading.load_artifacts(target, number)

    before = sys.stdout, sys.stderr, logging.root.manager.disable
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load_one, range(4))) == [0, 1, 2, 3]
    assert max(most) == 1
    assert (sys.stdout, sys.stderr, logging.root.manager.disable) == before
