"""What real artifacts tell of their memory, and that a budget holds them to it."""

import json

import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.validation.memory.float_model import float_memory
from tinysam2.validation.memory.measured import can_measure
from tinysam2.validation.memory.process import measure_artifacts

FRAMES = 120


@pytest.mark.parametrize("target", list(TARGETS))
def test_an_artifact_tells_its_programs_memory_near_the_float_models(artifacts, loaded, target):
    backend = load_artifacts(TARGETS[target], artifacts)
    memory, expected = backend.memory(), float_memory(loaded.model.config)
    share = backend.io_dtype.itemsize / 4

    assert set(memory.programs) == set(expected.programs)
    assert 0.95 < memory.weights.bytes / (share * expected.weights.bytes) < 1.15
    for name, program in memory.programs.items():
        activations = share * expected.programs[name].activations.bytes
        # A delegate's inner tensors are not in the .pte's plan.
        assert 0.5 * activations < program.activations.bytes < 1.5 * activations
        assert program.activations.operation
        assert program.activations.tensors


def test_an_exceeded_budget_fails_and_names_program_operation_and_tensor(run_tinysam2, artifacts, clip, tmp_path):
    (tmp_path / "budget.json").write_text('{"activations": 1}')

    result = run_tinysam2(
        "validate", artifacts, "--clip", clip, "--frames", 2, "--budget", tmp_path / "budget.json",
        "--report", tmp_path / "report.json",
    )  # fmt: skip

    assert result.exit_code == 1, result.output
    report = json.loads((tmp_path / "report.json").read_text())
    for target in report["targets"]:
        failed = {gate["subject"]: gate for gate in target["gates"] if not gate["passed"]}
        peak = target["memory"]["programs"]["image_encoder"]["activations"]
        assert failed["image_encoder"]["measure"] == "activations MiB"
        assert peak["tensors"][0]["name"] in failed["image_encoder"]["found"]
        assert peak["operation"] in failed["image_encoder"]["found"]
        assert f"{target['target']} image_encoder: activations MiB is" in result.stdout


@pytest.mark.skipif(not can_measure(), reason="the system does not tell a process's memory")
def test_a_runtime_holds_a_model_once(artifacts):
    measured = measure_artifacts("tflite", artifacts, FRAMES)

    # Weights as the file has them and packed anew; an interpreter a program took four times as much.
    assert measured.peak - measured.before_load < 40 * 2**20
