"""`tinysam2 ship`: bundles of what passed, and nothing of what did not."""

import dataclasses
import hashlib
import json

import pytest

from tinysam2.validation.memory.measured import can_measure
from tinysam2.validation.parity import gates

pytestmark = pytest.mark.usefixtures("conversions_shared")


@pytest.fixture
def impossible_gates(monkeypatch):
    for precision, limits in gates.PARITY_LIMITS.items():
        monkeypatch.setitem(gates.PARITY_LIMITS, precision, dataclasses.replace(limits, sqnr_db=500.0))


def test_bundles_hold_artifacts_report_and_a_manifest_that_fits_them(run_tinysam2, tmp_path):
    result = run_tinysam2("ship", "--output", tmp_path / "dist")

    assert result.exit_code == 0, result.output
    for platform, targets in {"ios": {"coreml", "executorch"}, "android": {"executorch", "tflite"}}.items():
        folder = tmp_path / "dist" / platform
        manifest = json.loads((folder / "manifest.json").read_text())
        files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert set(manifest["files"]) == files - {"manifest.json"}
        for name, entry in manifest["files"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
        assert set(manifest["targets"]) == targets
        assert manifest["parity"]["passed"] is True
        report = json.loads((folder / "report.json").read_text())
        assert report["passed"] is True
        if can_measure():
            assert all(target["measured"]["frames"] == 300 for target in report["targets"])
        assert "All 3 targets passed" in (folder / "report.html").read_text(encoding="utf-8")
        assert manifest["weights"]["trained"] is True
        assert "shipped weights (nano-int8)" in result.output
        assert {target["precision"] for target in report["targets"]} == {"int8"}


def test_float_weights_are_shipped_on_request(run_tinysam2, tmp_path):
    result = run_tinysam2("ship", "--float", "--output", tmp_path / "dist", "--frames", 2, "--no-measure")

    assert result.exit_code == 0, result.output
    targets = json.loads((tmp_path / "dist" / "ios" / "report.json").read_text())["targets"]
    assert {target["target"]: target["precision"] for target in targets} == {
        "coreml": "fp16", "executorch": "fp32", "tflite": "fp32"
    }  # fmt: skip


def test_a_failed_gate_writes_nothing(run_tinysam2, tmp_path, impossible_gates):
    result = run_tinysam2("ship", "--output", tmp_path / "dist", "--frames", 2, "--no-measure")

    assert result.exit_code == 1
    assert not (tmp_path / "dist").exists()


def test_a_failed_gate_leaves_former_bundles_whole(run_tinysam2, tmp_path, monkeypatch):
    dist = tmp_path / "dist"
    assert run_tinysam2("ship", "--output", dist, "--frames", 2, "--no-measure").exit_code == 0
    former = {p: p.read_bytes() for p in dist.rglob("*") if p.is_file()}
    for precision, limits in gates.PARITY_LIMITS.items():
        monkeypatch.setitem(gates.PARITY_LIMITS, precision, dataclasses.replace(limits, sqnr_db=500.0))

    assert run_tinysam2("ship", "--output", dist, "--frames", 2, "--no-measure").exit_code == 1
    assert {p: p.read_bytes() for p in dist.rglob("*") if p.is_file()} == former


def test_kept_failed_bundles_say_so(run_tinysam2, tmp_path, impossible_gates):
    result = run_tinysam2("ship", "--output", tmp_path / "dist", "--frames", 2, "--no-measure", "--keep-failed")

    assert result.exit_code == 1
    for platform in ("ios", "android"):
        manifest = json.loads((tmp_path / "dist" / platform / "manifest.json").read_text())
        assert manifest["parity"]["passed"] is False


def test_a_folder_that_is_not_a_former_bundle_is_not_replaced(run_tinysam2, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")

    result = run_tinysam2("ship", "--output", tmp_path / "photos")

    assert result.exit_code == 2
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "meow"
