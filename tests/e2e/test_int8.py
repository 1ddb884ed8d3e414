"""The shipped int8 weights, converted to all three targets, pass every gate, those of integers too."""

import json

GRAPH_BYTES = 1.5 * 2**20
"""Room for what a file holds beside weights: operators, names, scales, position tables. Weights in fp16 have none."""


def test_int8_artifacts_pass_every_gate_on_the_sample_clip(run_tinysam2, int8_artifacts):
    result = run_tinysam2("validate", int8_artifacts, "--frames", 8, "--json")
    report = json.loads(result.stdout)
    failed = [gate for target in report["targets"] for gate in target["gates"] if not gate["passed"]]
    assert failed == []
    assert result.exit_code == 0
    measures = {gate["measure"] for target in report["targets"] for gate in target["gates"]}
    assert {"faults of scales", "faults of zero points", "int8 share of MACs"} <= measures


def test_core_mls_packages_compute_exactly_what_the_quantized_model_does(run_tinysam2, int8_artifacts):
    result = run_tinysam2("validate", int8_artifacts, "--frames", 2, "--json")
    [coreml] = [target for target in json.loads(result.stdout)["targets"] if target["target"] == "coreml"]
    errors = {tensor["max_abs_error"] for program in coreml["programs"] for tensor in program["tensors"]}
    assert errors == {0.0}


def test_int8_artifacts_hold_weights_in_one_byte_each(int8_artifacts, loaded):
    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    for pattern in ("*.pte", "*.tflite", "*.mlpackage/**/weight.bin"):
        size = sum(file.stat().st_size for file in int8_artifacts.glob(pattern))
        assert parameters < size < parameters + GRAPH_BYTES, pattern
