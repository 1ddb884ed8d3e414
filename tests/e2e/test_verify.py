"""A bundle of real artifacts is verified as it is shipped, zipped, and broken."""

import hashlib
import json
import shutil

import pytest

from tinysam2.converters.bundle.archive import write_zip
from tinysam2.core.manifest import digest_line

MOST_GOLDEN_BYTES = 3_000_000


@pytest.fixture(scope="module")
def shipped(made_once, int8_artifacts):
    """Both platforms' bundles of the int8 artifacts, with a report that passed."""
    from tinysam2.converters.bundle.writer import Contents, write_bundle
    from tinysam2.core.artifacts import read_card, targets_in
    from tinysam2.validation.golden.recording import record_artifacts

    def make(folder):
        cards = [read_card(int8_artifacts, target) for target in targets_in(int8_artifacts)]
        report = {
            "targets": [{"target": card.target, "passed": True} for card in cards],
            "budget": {"bank": {"mib": 0.025}},
        }
        contents = Contents(report, "<!DOCTYPE html>", record_artifacts)
        for platform in ("android", "ios"):
            write_bundle(platform, cards, int8_artifacts, contents, folder / platform)

    return made_once("bundles", make)


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_a_bundle_as_it_was_shipped_passes_exactly(run_tinysam2, shipped, platform):
    result = run_tinysam2("verify", shipped / platform, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["targets"]) == 2
    for target in found["targets"]:
        values = {(gate["subject"], gate["measure"]): gate["value"] for gate in target["gates"]}
        assert values["trace", "golden least mask IoU"] == 1.0
        assert values["image_encoder", "golden SQNR dB"] == 200.0


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_golden_vectors_are_under_three_megabytes_and_go_through_the_banks_states(shipped, platform):
    folder = shipped / platform / "golden"
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_GOLDEN_BYTES
    index = json.loads((folder / "index.json").read_text())
    for results in index["trace"]["results"].values():
        assert min(found["object_score"] for found in results[5]["objects"].values()) < 0
        assert [sorted(frame["objects"]) for frame in results] == [["1"]] * 2 + [["1", "2"]] * 8 + [["1"]] * 2


def test_its_zip_passes(run_tinysam2, shipped, tmp_path):
    write_zip(shipped / "android", "android", tmp_path / "android.zip")
    assert run_tinysam2("verify", tmp_path / "android.zip").exit_code == 0


def test_a_broken_artifact_fails(run_tinysam2, shipped, tmp_path):
    bundle = shutil.copytree(shipped / "android", tmp_path / "android")
    data = bytearray((bundle / "tinysam2.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "tinysam2.tflite").write_bytes(data)
    result = run_tinysam2("verify", bundle)
    assert result.exit_code == 1
    assert "tinysam2.tflite" in result.stdout


def test_a_cut_artifact_that_the_manifest_vouches_for_fails(run_tinysam2, shipped, tmp_path):
    bundle = shutil.copytree(shipped / "android", tmp_path / "android")
    data = (bundle / "tinysam2.tflite").read_bytes()[:-200_000]
    (bundle / "tinysam2.tflite").write_bytes(data)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["tinysam2.tflite"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    (bundle / "manifest.sha256").write_text(digest_line((bundle / "manifest.json").read_bytes()))
    result = run_tinysam2("verify", bundle, "--json")
    assert result.exit_code == 1, result.output
    verdicts = {target["target"]: target["passed"] for target in json.loads(result.stdout)["targets"]}
    assert verdicts == {"executorch": True, "tflite": False}
