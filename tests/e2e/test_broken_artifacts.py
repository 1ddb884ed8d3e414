"""A broken artifact fails a gate, or is refused; it never passes."""

import json

import numpy as np
import pytest

from converters.convert import convert_model
from models import programs
from models.targets import TARGETS


@pytest.fixture
def failed_gates(tinysam2, clip):
    """Validates a folder, expects exit status 1, and returns (subject, measure) of the gates that failed."""

    def run(folder):
        result = tinysam2("validate", folder, "--clip", clip, "--json")
        assert result.exit_code == 1, result.output
        return {
            (gate["subject"], gate["measure"])
            for target in json.loads(result.stdout)["targets"]
            for gate in target["gates"]
            if not gate["passed"]
        }

    return run


def test_perturbed_weights_fail_the_program_that_holds_them(copied, failed_gates, loaded):
    folder = copied("coreml")
    weights = next(folder.glob("mask_decoder.mlpackage/**/weight.bin"))
    weight = loaded.model.mask_decoder.transformer.layers[0].mlp.layers[0].weight.detach().half().numpy()
    noise = np.random.default_rng(0).standard_normal(weight.shape)
    perturbed = (weight * (1 + 0.5 * noise)).astype(np.float16)
    data = weights.read_bytes()
    assert data.count(weight.tobytes()) == 1
    weights.write_bytes(data.replace(weight.tobytes(), perturbed.tobytes()))

    failed = failed_gates(folder)

    assert ("mask_decoder", "SQNR dB") in failed
    assert {subject for subject, _ in failed} <= {"mask_decoder", "clip", "clips"}


def test_two_swapped_outputs_fail_their_program(loaded, tmp_path, monkeypatch, failed_gates):
    decode = programs.MaskDecoderProgram.forward

    def swapped(self, conditioned, features_s8, features_s4, **prompt):
        mask, iou, score, pointer = decode(self, conditioned, features_s8, features_s4, **prompt)
        return mask, score, iou, pointer

    with monkeypatch.context() as patch:
        patch.setattr(programs.MaskDecoderProgram, "forward", swapped)
        convert_model(loaded, {"coreml": "fp32"}, tmp_path)

    assert ("mask_decoder", "SQNR dB") in failed_gates(tmp_path)


def test_a_bank_that_is_not_fed_back_fails_the_memory_encoder_and_the_clip(loaded, tmp_path, monkeypatch, failed_gates):
    def forgetful(self, features, mask_logits, iou, object_score, object_pointer, is_prompted, **bank):
        # Every input is used, or the exporter would drop it.
        nothing = 0 * (features.sum() + mask_logits.sum() + iou + object_score + object_pointer.sum() + is_prompted)
        return tuple(value + nothing.reshape([1] * value.dim()) for value in bank.values())

    with monkeypatch.context() as patch:
        patch.setattr(programs.MemoryEncoderProgram, "forward", forgetful)
        convert_model(loaded, {"coreml": "fp32"}, tmp_path)

    assert {("memory_encoder", "same slots"), ("clip", "least mask IoU")} <= failed_gates(tmp_path)


@pytest.mark.parametrize("target", list(TARGETS))
def test_a_truncated_artifact_is_refused(tinysam2, copied, clip, target):
    folder = copied(target)
    largest = max((p for p in folder.rglob("*") if p.is_file() and p.suffix != ".json"), key=lambda p: p.stat().st_size)
    data = largest.read_bytes()
    largest.write_bytes(data[: len(data) // 2])

    result = tinysam2("validate", folder, "--clip", clip)

    assert result.exit_code == 2, result.output
    assert "convert again" in result.stderr or "corrupt" in result.stderr or "cut" in result.stderr


@pytest.mark.parametrize("target", list(TARGETS))
def test_an_artifact_of_another_preset_is_refused(tinysam2, copied, clip, target):
    folder = copied(target)
    card = folder / f"{target}.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "preset": "tinysam2-512"}))

    result = tinysam2("validate", folder, "--clip", clip)

    assert result.exit_code == 2, result.output
    assert "another preset" in result.stderr


def test_artifacts_of_other_weights_fail(tinysam2, artifacts, clip, loaded, tmp_path):
    from models.checkpoint import save_checkpoint, seeded_model

    other = tmp_path / "other.safetensors"
    save_checkpoint(seeded_model(loaded.model.config, seed=1).state_dict(), other, {"preset": "nano"})

    result = tinysam2("validate", artifacts, "--clip", clip, "--checkpoint", other, "--frames", 2, "--json")

    assert result.exit_code == 1
    assert not any(target["passed"] for target in json.loads(result.stdout)["targets"])
