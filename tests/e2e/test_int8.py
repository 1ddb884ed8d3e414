"""nano, quantized by calibration alone and converted to all three targets, passes every gate, those of integers too."""

import json

import pytest

from models.targets import TARGETS
from validation.sample_clip import write_sample_clip

GRAPH_BYTES = 1.5 * 2**20
"""Room for what a file holds beside weights: operators, names, scales, position tables. Weights in fp16 have none."""


@pytest.fixture(scope="module")
def int8_checkpoint(tmp_path_factory):
    """Scales set on the sample clip."""
    from click.testing import CliRunner

    from tinysam2.cli import commands

    folder = tmp_path_factory.mktemp("quantized")
    write_sample_clip(folder / "data" / "koi", frames=12, objects=2)
    path = folder / "int8.safetensors"
    options = ["--data", folder / "data", "--output", path, "--calibrate-only", "--calibration-batches", 2]
    result = CliRunner().invoke(commands, ["quantize", *map(str, options), "--curriculum", "1:4:1", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def int8_artifacts(tmp_path_factory, int8_checkpoint):
    """All three targets in one folder."""
    from converters.convert import convert_model
    from models.checkpoint import load_model
    from models.config import preset

    folder = tmp_path_factory.mktemp("int8")
    loaded = load_model(preset("nano"), int8_checkpoint, quantized=True)
    convert_model(loaded, dict.fromkeys(TARGETS, "int8"), folder)
    return folder


def test_int8_artifacts_pass_every_gate_on_the_sample_clip(tinysam2, int8_artifacts, int8_checkpoint):
    result = tinysam2("validate", int8_artifacts, "--checkpoint", int8_checkpoint, "--frames", 8, "--json")
    report = json.loads(result.stdout)
    failed = [gate for target in report["targets"] for gate in target["gates"] if not gate["passed"]]
    assert failed == []
    assert result.exit_code == 0
    measures = {gate["measure"] for target in report["targets"] for gate in target["gates"]}
    assert {"faults of scales", "faults of zero points", "int8 share of MACs"} <= measures


def test_core_mls_packages_compute_exactly_what_the_quantized_model_does(tinysam2, int8_artifacts, int8_checkpoint):
    result = tinysam2("validate", int8_artifacts, "--checkpoint", int8_checkpoint, "--frames", 2, "--json")
    [coreml] = [target for target in json.loads(result.stdout)["targets"] if target["target"] == "coreml"]
    errors = {tensor["max_abs_error"] for program in coreml["programs"] for tensor in program["tensors"]}
    assert errors == {0.0}


def test_int8_artifacts_hold_weights_in_one_byte_each(int8_artifacts, loaded):
    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    for pattern in ("*.pte", "*.tflite", "*.mlpackage/**/weight.bin"):
        size = sum(file.stat().st_size for file in int8_artifacts.glob(pattern))
        assert parameters < size < parameters + GRAPH_BYTES, pattern
