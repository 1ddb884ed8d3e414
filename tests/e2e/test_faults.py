"""Broken artifacts and runtimes fail a gate or are refused, and unmodified ones pass on other clips.

All faults there are, and how far each changes masks: `python -m benchmarks.faults` (docs/faults.md).
"""

import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

from tinysam2.core.targets import TARGETS
from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.models.network.image_encoder import ImageEncoder

ROOT = Path(__file__).resolve().parents[2]

EVERYWHERE = (
    "range", "bgr", "late-bank", "no-feedback", "channels-last", "reused-outputs", "tokens-permuted", "xy-swapped",
    "ages-stay", "quality-ignored", "mask-unresized", "score-sign", "outputs-swapped", "noise-10", "stem-channel",
    "plain-bilinear", "area", "half-pixel", "matrix-601", "full-range",
)  # fmt: skip
"""Caught in every target and precision."""

IN_FP16 = "overflow"
"""A fault of fp16 alone: in fp32 it is the same model."""

IN_CORE_ML = "memory-nearest"

ARTIFACTS = ("Core ML fp16", "ExecuTorch fp32", "LiteRT fp32")


@pytest.fixture(scope="module")
def findings(artifacts, made_once):
    """Fault -> artifact -> what the command found."""
    chosen = [word for name in ("unmodified", *EVERYWHERE, IN_FP16, IN_CORE_ML) for word in ("--only", name)]

    def find(output):
        command = ["-m", "benchmarks.faults", "--output", output, "--artifacts", artifacts, "--frames", "4", *chosen]
        ended = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    output = made_once("faults", find)
    assert (output / "faults.md").read_text().startswith(f"| fault | {' | '.join(ARTIFACTS)} |")
    found: dict[str, dict[str, dict]] = {}
    for finding in json.loads((output / "faults.json").read_text()):
        found.setdefault(finding["fault"], {})[finding["artifact"]] = finding
    return found


@pytest.fixture
def verdicts(findings):
    """A fault's, by artifact."""
    return lambda fault: {artifact: finding["verdict"] for artifact, finding in findings[fault].items()}


def test_unmodified_artifacts_pass_beside_the_broken_ones(verdicts):
    assert verdicts("unmodified") == dict.fromkeys(ARTIFACTS, "passed")


@pytest.mark.parametrize("fault", EVERYWHERE)
def test_a_fault_is_caught_in_every_target(verdicts, fault):
    assert verdicts(fault) == dict.fromkeys(ARTIFACTS, "failed")


def test_what_overflows_in_fp16_fails_there_and_nowhere_else(verdicts):
    assert verdicts(IN_FP16) == dict(zip(ARTIFACTS, ("failed", "passed", "passed"), strict=True))


def test_a_program_converted_with_another_interpolation_is_caught(verdicts):
    assert verdicts(IN_CORE_ML) == {"Core ML fp16": "failed"}


def test_wrong_weights_fail_the_program_that_holds_them_and_no_other(findings):
    for finding in findings["stem-channel"].values():
        assert [gate for gate in finding["caught_by"] if gate.endswith("SQNR")] == ["image_encoder SQNR"]


@pytest.mark.parametrize("target", list(TARGETS))
def test_a_truncated_artifact_is_refused_even_where_its_card_was_changed_to_fit(
    run_tinysam2, copied, clip, reseal, target
):
    folder = copied(target)
    largest = max((p for p in folder.rglob("*") if p.is_file() and p.suffix != ".json"), key=lambda p: p.stat().st_size)
    data = largest.read_bytes()
    largest.write_bytes(data[: len(data) // 2])

    result = run_tinysam2("validate", folder, "--clip", clip)

    assert result.exit_code == 2, result.output
    assert "is not the file that was converted (sha256 differs); convert again" in result.stderr

    reseal(folder, target)
    result = run_tinysam2("validate", folder, "--clip", clip)

    assert result.exit_code == 2, result.output
    assert "convert again" in result.stderr or "corrupt" in result.stderr or "cut" in result.stderr


@pytest.mark.parametrize("target", list(TARGETS))
def test_an_artifact_of_another_preset_is_refused(run_tinysam2, copied, clip, target):
    folder = copied(target)
    card = folder / f"{target}.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "preset": "tinysam2-512"}))

    result = run_tinysam2("validate", folder, "--clip", clip)

    assert result.exit_code == 2, result.output
    assert "another preset" in result.stderr


def test_a_program_that_is_missing_is_refused(run_tinysam2, copied, clip):
    folder = copied("coreml")
    (folder / "mask_decoder.mlpackage").rename(folder / "elsewhere.mlpackage")

    result = run_tinysam2("validate", folder, "--clip", clip)

    assert result.exit_code == 2, result.output
    assert "mask_decoder.mlpackage is missing" in result.stderr


def test_artifacts_of_other_weights_fail(run_tinysam2, artifacts, clip, loaded, tmp_path):
    from tinysam2.models.weights.checkpoint import save_checkpoint, seeded_model

    other = tmp_path / "other.safetensors"
    save_checkpoint(seeded_model(loaded.model.config, seed=1).state_dict(), other, {"preset": "nano"})

    result = run_tinysam2("validate", artifacts, "--clip", clip, "--checkpoint", other, "--frames", 2, "--json")

    assert result.exit_code == 1
    assert not any(target["passed"] for target in json.loads(result.stdout)["targets"])


def test_channels_last_outputs_fail_the_layout_gate_and_the_clip_on_raw_memory(run_tinysam2, clip, loaded, tmp_path):
    from tinysam2.converters.convert import convert_model

    encode = ImageEncoder.forward

    def channels_last(encoder, image):
        return tuple(output.contiguous(memory_format=torch.channels_last) for output in encode(encoder, image))

    with mock.patch.object(ImageEncoder, "forward", channels_last):
        convert_model(loaded, {"executorch": "fp32"}, tmp_path)

    result = run_tinysam2("validate", tmp_path, "--clip", clip, "--frames", 2, "--json")

    assert result.exit_code == 1, result.output
    [target] = json.loads(result.stdout)["targets"]
    failed = {(gate["subject"], gate["measure"]) for gate in target["gates"] if not gate["passed"]}
    assert failed == {("image_encoder", "tensors not contiguous"), ("clip", "least mask IoU on raw memory")}


def test_every_layout_that_an_artifact_states_is_contiguous(artifacts):
    from tinysam2.core.artifacts import read_card
    from tinysam2.mobile_runtime.loading import load_artifacts

    for target in TARGETS.values():
        layouts = load_artifacts(read_card(artifacts, target).target_entry, artifacts).layouts()
        assert (layouts is None) == (target.name == "coreml")
        assert all(tensor.contiguous for layout in (layouts or {}).values() for tensor in layout.tensors)


def test_unmodified_artifacts_pass_on_other_clips(run_tinysam2, artifacts, other_artifacts, tmp_path):
    for seed in range(1, 4):
        write_sample_clip(tmp_path / "clips" / f"koi-{seed}", frames=4, seed=seed, objects=1 + seed % 2)

    for folder in (artifacts, other_artifacts):
        result = run_tinysam2("validate", folder, "--data", tmp_path / "clips", "--json")

        assert result.exit_code == 0, result.output
        assert len(json.loads(result.stdout)["clips"]) == 3
