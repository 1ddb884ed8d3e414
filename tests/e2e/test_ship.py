"""`tinysam2 ship`: bundles of what passed, and nothing of what did not."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tinysam2.core.manifest import read_manifest
from tinysam2.core.targets import TARGETS
from tinysam2.models.weights.checkpoint import shipped_weights
from tinysam2.validation.memory.measured import can_measure
from tinysam2.validation.parity import gates

CACHED = [f"{entry.title}: taken from the cache" for entry in TARGETS.values()]

pytestmark = pytest.mark.usefixtures("conversions_shared")


@pytest.fixture
def impossible_gates(monkeypatch):
    for precision, limits in gates.PARITY_LIMITS.items():
        monkeypatch.setitem(gates.PARITY_LIMITS, precision, dataclasses.replace(limits, sqnr_db=500.0))


@pytest.fixture(scope="module")
def limits_changed(quick):
    """As `quick`, where a test has changed limits, which no user can: of these the cache knows nothing."""
    return *quick, "--no-cache"


@pytest.fixture(scope="module")
def quick():
    """Options of a run that takes seconds where the conversions are there."""
    return "--frames", 2, "--no-measure"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bundles_hold_artifacts_report_and_a_manifest_that_fits_them(run_tinysam2, tmp_path):
    whole = tmp_path / "whole.json"
    result = run_tinysam2("ship", "--output", tmp_path / "dist", "--report", whole)

    assert result.exit_code == 0, result.output
    for platform, targets in {"ios": {"coreml", "executorch"}, "android": {"executorch", "tflite"}}.items():
        folder = tmp_path / "dist" / platform
        manifest = read_manifest(folder / "manifest.json")
        files = contents(folder)
        assert set(manifest["files"]) == set(files) - {"manifest.json", "manifest.sha256"}
        for name, entry in manifest["files"].items():
            assert hashlib.sha256(files[name]).hexdigest() == entry["sha256"]
        with zipfile.ZipFile(tmp_path / "dist" / f"{platform}.zip") as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == {
                f"{platform}/{name}": data for name, data in files.items()
            }
        for bundle in (folder, tmp_path / "dist" / f"{platform}.zip"):
            verified = run_tinysam2("verify", bundle)
            assert verified.exit_code == 0, verified.output
        assert set(manifest["targets"]) == targets
        assert manifest["parity"]["passed"] is True
        report = json.loads(files["report.json"])
        assert report["passed"] is True
        assert all(target["measured"] is None for target in report["targets"])
        assert "All 3 targets passed" in files["report.html"].decode()
        assert manifest["weights"]["trained"] is True
        assert manifest["weights"]["licence"] == report["licence"] == "CC-BY-NC-4.0"
        assert {"MODEL_CARD.md", "LICENSES/Apache-2.0.txt", "LICENSES/WEIGHTS.md"} <= set(files)
        assert {target["precision"] for target in report["targets"]} == {"int8"}
    if can_measure():
        targets = json.loads(whole.read_text())["targets"]
        assert all(target["measured"]["frames"] == 300 for target in targets)
    assert "shipped weights (nano-int8)" in result.output
    assert "of the weights: CC-BY-NC-4.0 (trained on DAVIS 2016 train)" in result.output
    assert "non-commercial research use only" in result.output.splitlines()[-1]


def test_runs_from_one_checkpoint_write_the_same_bytes_with_and_without_the_cache(tmp_path):
    """In processes of their own, with other random seeds, at other times, from copies of the checkpoint elsewhere."""
    runs = {"first": (), "without the cache": ("--no-cache",), "from the cache": ()}
    for number, (name, more) in enumerate(runs.items()):
        place = tmp_path / name
        place.mkdir()
        shutil.copy(shipped_weights("nano", quantized=True), place / "mine.safetensors")
        command = (sys.executable, "-m", "tinysam2", "ship", "--checkpoint", "mine.safetensors", "--frames", "2", *more)
        ended = subprocess.run(
            command, cwd=place, env=os.environ | {"PYTHONHASHSEED": str(number)}, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        if name != "first":
            cached = name == "from the cache"
            assert [title in ended.stderr for title in CACHED] == [cached] * len(CACHED)
            assert ("validation: of " in ended.stdout) == cached
    first, *others = (contents(tmp_path / name / "dist") for name in runs)
    assert {"ios.zip", "android.zip", "ios/manifest.json", "android/manifest.json"} <= set(first)
    for other in others:
        assert sorted(first) == sorted(other)
        assert [name for name in first if first[name] != other[name]] == []


def test_one_platform_and_one_runtime_are_shipped_on_request(run_tinysam2, tmp_path, quick):
    result = run_tinysam2("ship", "--output", tmp_path / "dist", "--platform", "android", "--runtime", "tflite", *quick)

    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == ["android", "android.zip"]
    assert set(read_manifest(tmp_path / "dist/android/manifest.json")["targets"]) == {"tflite"}


def test_a_former_bundle_is_replaced_on_request_and_nothing_beside_it(run_tinysam2, tmp_path, quick):
    (tmp_path / "dist/python").mkdir(parents=True)
    (tmp_path / "dist/python/mine.whl").write_text("mine")
    (tmp_path / "dist/android").mkdir()
    (tmp_path / "dist/android/manifest.json").write_text("{}")
    options = ("--platform", "android", "--runtime", "tflite", "--overwrite")
    result = run_tinysam2("ship", "--output", tmp_path / "dist", *options, *quick)

    assert result.exit_code == 0, result.output
    assert read_manifest(tmp_path / "dist/android/manifest.json")["platform"] == "android"
    assert (tmp_path / "dist/python/mine.whl").read_text() == "mine"


@pytest.mark.parametrize("at", ["write_bundle", "write_zip"])
def test_a_full_disk_is_told_and_leaves_former_bundles_whole(run_tinysam2, tmp_path, quick, monkeypatch, at):
    former = tmp_path / "dist/android"
    former.mkdir(parents=True)
    (former / "manifest.json").write_text("{}")
    module = "writer" if at == "write_bundle" else "archive"

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"tinysam2.converters.bundle.{module}.{at}", full)
    options = ("--platform", "android", "--runtime", "tflite", "--overwrite")
    result = run_tinysam2("ship", "--output", tmp_path / "dist", *options, *quick)

    assert result.exit_code == 2
    assert "the disk is full" in result.stderr.splitlines()[-1]
    assert contents(tmp_path / "dist") == {"android/manifest.json": b"{}"}


def test_float_weights_are_shipped_on_request(run_tinysam2, tmp_path):
    result = run_tinysam2("ship", "--float", "--output", tmp_path / "dist", "--frames", 2, "--no-measure")

    assert result.exit_code == 0, result.output
    targets = json.loads((tmp_path / "dist" / "ios" / "report.json").read_text())["targets"]
    assert {target["target"]: target["precision"] for target in targets} == {
        "coreml": "fp16", "executorch": "fp32", "tflite": "fp32"
    }  # fmt: skip


def test_a_failed_gate_writes_nothing(run_tinysam2, tmp_path, impossible_gates, limits_changed):
    result = run_tinysam2("ship", "--output", tmp_path / "dist", *limits_changed)

    assert result.exit_code == 1
    assert not (tmp_path / "dist").exists()


def test_a_failed_gate_leaves_former_bundles_whole(run_tinysam2, tmp_path, monkeypatch, limits_changed):
    dist = tmp_path / "dist"
    assert run_tinysam2("ship", "--output", dist, "--frames", 2, "--no-measure").exit_code == 0
    former = {p: p.read_bytes() for p in dist.rglob("*") if p.is_file()}
    for precision, limits in gates.PARITY_LIMITS.items():
        monkeypatch.setitem(gates.PARITY_LIMITS, precision, dataclasses.replace(limits, sqnr_db=500.0))

    again = run_tinysam2("ship", "--output", dist, *limits_changed, "--overwrite")
    assert again.exit_code == 1
    assert {p: p.read_bytes() for p in dist.rglob("*") if p.is_file()} == former


def test_kept_failed_bundles_say_so(run_tinysam2, tmp_path, impossible_gates, limits_changed):
    result = run_tinysam2("ship", "--output", tmp_path / "dist", *limits_changed, "--keep-failed")

    assert result.exit_code == 1
    for platform in ("ios", "android"):
        manifest = json.loads((tmp_path / "dist" / platform / "manifest.json").read_text())
        assert manifest["parity"]["passed"] is False
