"""A bundle is verified: every flipped byte is found, and what is broken is named."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinysam2.core.errors import InputError
from tinysam2.validation.bundles.opening import opened_bundle
from tinysam2.validation.bundles.verify import verify_bundle


def failed(verification) -> list[tuple[str, str]]:
    gates = [*verification.gates, *(gate for target in verification.targets for gate in target.gates)]
    return [(gate.subject, gate.measure) for gate in gates if not gate.passed]


def test_a_sound_bundle_passes(sound):
    verification = verify_bundle(sound, "pocket")
    assert verification.passed
    assert failed(verification) == []
    [target] = verification.targets
    assert ("trace", "golden least mask IoU") in {(gate.subject, gate.measure) for gate in target.gates}


def test_its_zip_passes_too(zipped):
    with opened_bundle(zipped) as folder:
        assert verify_bundle(folder, "pocket.zip").passed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_found(sound, tmp_path, data):
    files = sorted(path.relative_to(sound) for path in sound.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from(files))
    content = bytearray((sound / name).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sound, copy)
    (copy / name).write_bytes(content)
    verification = verify_bundle(copy, "pocket")
    assert not verification.passed
    assert verification.targets == ()


@pytest.mark.parametrize("name", ["model.bin", "manifest.sha256", "golden/tensors.safetensors"])
def test_a_missing_file_fails(bundle, name):
    (bundle / name).unlink()
    assert not verify_bundle(bundle, "pocket").passed


def test_a_file_beside_those_of_the_manifest_fails(bundle):
    (bundle / "more.txt").touch()
    assert failed(verify_bundle(bundle, "pocket")) == [("files", "not in the manifest")]


def test_a_link_in_place_of_a_file_fails(bundle, tmp_path):
    (bundle / "model.bin").rename(tmp_path / "model.bin")
    (bundle / "model.bin").symlink_to(tmp_path / "model.bin")
    assert ("files", "missing") in failed(verify_bundle(bundle, "pocket"))


def test_an_artifact_that_does_not_load_fails(bundle, resealed):
    (bundle / "model.bin").write_text("broken")
    resealed(bundle)
    verification = verify_bundle(bundle, "pocket")
    assert failed(verification) == [("stand-in", "artifacts loaded")]
    assert "the artifact says 'broken'" in verification.targets[0].gates[0].found


def test_an_artifact_that_gives_other_masks_fails_its_program_and_the_trace(bundle, resealed):
    (bundle / "model.bin").write_text("noisy")
    resealed(bundle)
    found = failed(verify_bundle(bundle, "pocket"))
    assert ("mask_decoder", "golden SQNR dB") in found
    assert ("trace", "golden mean mask IoU") in found
    assert ("image_encoder", "golden SQNR dB") not in found


def test_a_bank_above_the_budget_that_it_was_shipped_under_fails(bundle, resealed):
    report = json.loads((bundle / "report.json").read_text())
    report["budget"]["bank"]["mib"] = 0.0001
    (bundle / "report.json").write_text(json.dumps(report))
    resealed(bundle)
    assert failed(verify_bundle(bundle, "pocket")) == [("manifest", "bank MiB"), ("bank", "MiB")]


def test_a_manifest_of_other_programs_fails(bundle, resealed):
    programs = json.loads((bundle / "manifest.json").read_text())["programs"]
    programs[0]["inputs"][0]["shape"][-1] += 1
    resealed(bundle, programs=programs)
    assert failed(verify_bundle(bundle, "pocket")) == [("manifest", "programs that differ")]


def test_a_bundle_that_was_shipped_without_parity_fails(bundle, resealed):
    parity = {"passed": False, "targets": {"stand-in": False}, "report": "report.json"}
    resealed(bundle, parity=parity)
    assert failed(verify_bundle(bundle, "pocket")) == [("manifest", "targets without parity")]


def test_where_no_target_can_be_run_nothing_passes(sound, monkeypatch):
    import tinysam2.core.targets as targets

    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda name: None)
    verification = verify_bundle(sound, "pocket")
    assert "pip install" in verification.targets[0].not_checked
    assert failed(verification) == []
    assert not verification.passed


def test_a_bundle_without_golden_vectors_is_refused(bundle, resealed):
    resealed(bundle, golden=None)
    with pytest.raises(InputError, match="holds no golden vectors"):
        verify_bundle(bundle, "pocket")


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: None])
def test_what_is_no_bundle_is_refused(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(InputError), opened_bundle(tmp_path / "x"):
        pass
