"""The Core ML backend runs packages by the runtime that was asked for. Apple's is a stand-in here: it needs macOS."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from tinysam2.core.artifacts import read_card
from tinysam2.core.contract import program_contract
from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS

pytest.importorskip("coremltools")


class FakeMLModel:
    """Answers like coremltools' MLModel, from the package itself, and remembers what it was asked."""

    asked = None

    def __init__(self, path):
        from tinysam2.mobile_runtime.mil import MILProgram

        self.program = MILProgram.load(path)

    def predict(self, inputs):
        FakeMLModel.asked = inputs
        return {name: np.asarray(value, np.float64) + 1 for name, value in self.program.run(**inputs).items()}


@pytest.fixture
def make(coreml_stand_ins):
    """make(**options): the backend of the stand-ins."""
    from tinysam2.mobile_runtime.coreml_backend import CoreMLBackend

    card = read_card(coreml_stand_ins, TARGETS["coreml"])
    return lambda **options: CoreMLBackend(coreml_stand_ins, card, **options)


@pytest.fixture
def on_macos(monkeypatch):
    import coremltools

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(coremltools.models, "MLModel", FakeMLModel)


@pytest.fixture
def on_linux(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")


@pytest.fixture
def inputs(nano_backend):
    spec = program_contract(nano_backend.config)["mask_decoder"]
    return {tensor.name: np.full(tensor.shape, 0.25, np.float32) for tensor in spec.inputs}


def test_elsewhere_than_on_macos_packages_run_in_the_interpreter(on_linux, make, inputs):
    backend = make()
    assert backend.runtime == "MIL interpreter, not Apple's runtime"
    outputs = backend.run("mask_decoder", inputs)
    assert tuple(outputs) == backend.contract["mask_decoder"].output_names


def test_elsewhere_apples_runtime_is_refused(on_linux, make):
    with pytest.raises(InputError, match="is on macOS only; here packages run with runtime='interpreter'"):
        make(runtime="apple")


def test_an_unknown_runtime_is_refused(make):
    with pytest.raises(InputError, match="unknown Core ML runtime 'metal'; it must be one of: apple, interpreter"):
        make(runtime="metal")


def test_on_macos_packages_run_in_apples_runtime_on_the_contracts_tensors(on_macos, make, inputs):
    backend = make()
    assert backend.runtime == "Core ML's MLModel"
    outputs = backend.run("mask_decoder", inputs | {"surplus": np.zeros(1)})
    assert tuple(FakeMLModel.asked) == backend.contract["mask_decoder"].input_names
    assert {value.dtype for value in (*FakeMLModel.asked.values(), *outputs.values())} == {np.dtype(np.float32)}


def test_on_macos_both_runtimes_can_be_had_side_by_side(on_macos, make, inputs):
    apple, interpreter = (make(runtime=runtime).run("mask_decoder", inputs) for runtime in ("apple", "interpreter"))
    for name, value in interpreter.items():
        np.testing.assert_allclose(apple[name], value + 1, rtol=1e-6)


def test_memory_is_told_of_the_package_whichever_runtime_executes_it(on_macos, make):
    assert make(runtime="apple").memory() == make(runtime="interpreter").memory()


def test_on_macos_the_interpreter_is_loaded_only_when_memory_is_asked_for(coreml_stand_ins):
    """In a process of its own, with a stand-in for MLModel that answers zeros of the contract's shapes."""
    code = f"""
import platform, sys
import coremltools
import numpy as np
from pathlib import Path
from tinysam2.core.config import preset
from tinysam2.core.contract import program_contract
from tinysam2.core.targets import TARGETS
from tinysam2.data.prompts import Point, Prompt
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.tracker import Tracker

contract = program_contract(preset("nano"))
class FakeMLModel:
    def __init__(self, path):
        self.spec = contract[Path(path).stem]
    def predict(self, inputs):
        return {{tensor.name: np.zeros(tensor.shape, np.float32) for tensor in self.spec.outputs}}
coremltools.models.MLModel = FakeMLModel
platform.system = lambda: "Darwin"

def interpreter():
    return any(name.startswith("tinysam2.mobile_runtime.mil") for name in sys.modules)

backend = load_artifacts(TARGETS["coreml"], Path({str(coreml_stand_ins)!r}))
tracker = Tracker(backend)
tracker.track(np.zeros((72, 96, 3), np.uint8), {{1: Prompt(points=(Point(40, 30),))}})
tracked = interpreter()
backend.memory()
print(backend.runtime, "|", tracked, "|", interpreter())
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "Core ML's MLModel | False | True", answer.stderr


def test_on_macos_a_package_of_another_preset_is_refused(on_macos, coreml_stand_ins, tmp_path):
    from tinysam2.mobile_runtime.coreml_backend import CoreMLBackend

    folder = shutil.copytree(coreml_stand_ins, tmp_path / "swapped")
    card = read_card(folder, TARGETS["coreml"])
    shutil.rmtree(folder / card.files["mask_decoder"])
    shutil.copytree(folder / card.files["memory_encoder"], folder / card.files["mask_decoder"])
    with pytest.raises(InputError, match="mask_decoder"):
        CoreMLBackend(folder, card)


def test_on_macos_a_damaged_package_is_refused(on_macos, coreml_stand_ins, tmp_path):
    from tinysam2.mobile_runtime.coreml_backend import CoreMLBackend

    folder = shutil.copytree(coreml_stand_ins, tmp_path / "damaged")
    card = read_card(folder, TARGETS["coreml"])
    model = folder / card.files["mask_decoder"] / "Data/com.apple.CoreML/model.mlmodel"
    model.write_bytes(b"no protobuf")
    with pytest.raises(InputError, match=r"mask_decoder.*; convert the model again"):
        CoreMLBackend(folder, card)
