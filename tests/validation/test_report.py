"""A report says the verdict of every gate, in numbers that any reader of JSON can read."""

import json
from dataclasses import replace

import pytest

from mobile_runtime.backend import ProgramMemory
from validation.gates import Gate
from validation.parity import ChainParity, ProgramParity, TensorParity
from validation.report import Report, TargetReport

PASSED = Gate("clip", "mean mask IoU", 1.0, 0.99, True, "why")
FAILED = replace(PASSED, value=0.5)
TARGET = TargetReport(
    target="coreml",
    precision="fp16",
    runtime="MIL interpreter",
    versions={"torch": "2.13.0"},
    programs=(
        ProgramParity("image_encoder", 3, (TensorParity("features", 60.0, 1.0, 0.01),), None),
        ProgramParity(
            "memory_encoder", 3, (TensorParity("a", 70.0, 1.0, 0.1), TensorParity("b", 50.0, 0.9, 0.2)), 0.95
        ),
    ),
    chain=ChainParity((1.0, 0.5), 124, 12_000),
    memory={"image_encoder": ProgramMemory(100, 200, "planned", 30, 40)},
    gates=(PASSED,),
)
REPORT = Report("nano", "seeded", "ab" * 32, False, "koi", 2, 96, 72, 1, (TARGET, replace(TARGET, target="tflite")))


def test_a_target_passes_where_all_its_gates_do():
    assert TARGET.passed
    assert not replace(TARGET, gates=(PASSED, FAILED)).passed


def test_a_validation_passes_where_all_its_targets_do():
    assert REPORT.passed
    failing = replace(REPORT, targets=(TARGET, replace(TARGET, gates=(FAILED,))))
    assert not failing.passed
    assert [target["passed"] for target in failing.to_json()["targets"]] == [True, False]
    assert failing.to_json()["passed"] is False


def test_a_program_is_as_good_as_its_worst_output_and_a_clip_as_its_frames():
    target = TARGET.to_json()
    assert [program["sqnr_db"] for program in target["programs"]] == [60, 50]
    assert (target["chain"]["mean_iou"], target["chain"]["min_iou"]) == (0.75, 0.5)


def test_every_gate_is_told_with_its_value_limit_reason_and_verdict():
    [gate] = replace(TARGET, gates=(FAILED,)).to_json()["gates"]
    assert gate == {
        "subject": "clip",
        "measure": "mean mask IoU",
        "value": 0.5,
        "limit": 0.99,
        "at_least": True,
        "reason": "why",
        "passed": False,
    }


def test_the_written_report_reads_back_as_it_was(tmp_path):
    path = tmp_path / "new" / "report.json"
    REPORT.write(path)
    written = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert written == json.loads(json.dumps(REPORT.to_json()))
    assert written["report_version"] == 1
    assert (written["preset"], written["trained"], written["frames"]) == ("nano", False, 2)
    assert written["targets"][0]["programs"][1]["same_tokens"] == 0.95
    assert written["targets"][0]["memory"]["image_encoder"]["activations"] == 200
    assert path.read_text().endswith("}\n")


def test_a_value_that_is_no_number_is_never_written_and_the_former_report_stays(tmp_path):
    path = tmp_path / "report.json"
    REPORT.write(path)
    before = path.read_text()
    broken = replace(REPORT, targets=(replace(TARGET, chain=ChainParity((float("nan"),), 124, 1)),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.write(path)
    assert path.read_text() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]
