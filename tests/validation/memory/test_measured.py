"""A process that holds on to a frame is told from one that does not, and nothing else is taken for growth."""

import numpy as np
import pytest

from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.core.units import MIB
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.validation.memory import process as memory_process
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS
from tinysam2.validation.memory.gates import GROWTH_NOISE_MIB, memory_gates
from tinysam2.validation.memory.measured import can_measure, measure
from tinysam2.validation.memory.process import measure_artifacts, measure_float
from tinysam2.validation.parity.check import ChainParity, ClipParity

FRAMES = 120

pytestmark = pytest.mark.skipif(not can_measure(), reason="the system does not tell a process's memory")


class ConstantBackend(Backend):
    """Answers zeros; keeps `leaked` bytes of every image that it is shown, and takes `passing` bytes for a while."""

    target, runtime = "constant", "a test"

    def __init__(self, leaked: int = 0, passing: int = 0, bank_grows: bool = False) -> None:
        super().__init__(preset("nano"))
        self.leaked, self.passing, self.bank_grows = leaked, passing, bank_grows
        self.kept: list[np.ndarray] = []

    def run(self, program, tensors):
        # A bank that grows is no longer the contract's, which the base class would refuse.
        return self.execute(program, tensors)

    def execute(self, program, inputs):
        if program == "image_encoder":
            self.kept.append(np.ones(self.leaked, np.uint8))
            np.ones(self.passing, np.uint8)
        outputs = {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in self.contract[program].outputs}
        if program == "memory_encoder" and self.bank_grows:
            outputs["next_memory_tokens"] = np.concatenate(
                [inputs["memory_tokens"], np.zeros((1, 1, 32), np.float32)], 1
            )
        return outputs


def failed(measured) -> list[str]:
    chain = ChainParity((ClipParity("koi", (1.0,)),), 124, 1)
    gates = memory_gates(preset("nano"), None, chain, DEFAULT_BUDGETS["nano"], measured)
    return [gate.measure for gate in gates if not gate.passed]


def test_a_backend_that_holds_nothing_does_not_grow():
    measured = measure(ConstantBackend, FRAMES)
    assert failed(measured) == []
    assert abs(measured.growth) < GROWTH_NOISE_MIB * MIB
    assert measured.frames == FRAMES
    assert measured.bank_first == measured.bank_last == 25_176


@pytest.mark.parametrize("leaked", [100_000, 1_000_000])
def test_a_backend_that_holds_on_to_a_part_of_each_frame_fails_the_growth_gate(leaked):
    measured = measure(lambda: ConstantBackend(leaked), FRAMES)
    assert failed(measured) == ["growth MiB over 300 frames"]
    # The first pieces may fill what the heap of the tests' own process had free.
    assert 0.5 < measured.growth / (300 * leaked) < 1.25


def test_memory_that_a_frame_takes_and_gives_back_is_its_peak_and_no_growth():
    measured = measure(lambda: ConstantBackend(passing=64 * MIB), FRAMES)
    assert failed(measured) == []
    assert 60 * MIB < measured.peak - measured.settled < 70 * MIB


def test_a_bank_that_grows_fails_its_own_gate():
    measured = measure(lambda: ConstantBackend(bank_grows=True), FRAMES)
    assert "growth bytes" in failed(measured)
    assert measured.bank_last - measured.bank_first == 4 * 32 * (FRAMES - 1)


def test_a_model_counts_from_when_it_is_loaded():
    def load():
        backend = ConstantBackend()
        backend.kept.append(np.ones(32 * MIB, np.uint8))
        return backend

    measured = measure(load, FRAMES)
    assert 31 * MIB < measured.loaded - measured.before_load < 34 * MIB


def test_progress_is_told_by_frame_and_too_few_frames_are_refused():
    done = []
    measure(ConstantBackend, FRAMES, done.append)
    assert done == list(range(1, FRAMES + 1))
    with pytest.raises(ValueError, match="frames is 119; it must be at least 120"):
        measure(ConstantBackend, 119)


def test_the_float_model_is_measured_in_a_process_of_its_own(nano_model):
    done = []
    measured = measure_float(nano_model, FRAMES, done.append)
    assert failed(measured) == []
    assert done[-1] == FRAMES
    # It holds its weights, and this process's own memory is not in it.
    assert 8 * MIB < measured.loaded - measured.before_load < 40 * MIB


@pytest.mark.usefixtures("toolchains")
def test_artifacts_that_cannot_be_loaded_are_refused_as_anywhere(tmp_path):
    with pytest.raises(InputError, match="holds no LiteRT artifacts"):
        measure_artifacts("tflite", tmp_path, FRAMES)


def test_a_process_that_dies_says_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho gone >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(RuntimeError, match="measures tflite ended with status 3: gone"):
        measure_artifacts("tflite", tmp_path, FRAMES)


def test_where_the_system_does_not_tell_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_process, "can_measure", lambda: False)
    assert measure_artifacts("tflite", tmp_path, FRAMES) is None
