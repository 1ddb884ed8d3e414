"""A fourth target, written and registered outside the package, goes the whole way: convert, track, validate, bundle."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinysam2
from tinysam2.core.artifacts import read_card
from tinysam2.core.manifest import read_manifest
from tinysam2.validation.memory.measured import can_measure
from tinysam2.validation.memory.process import measure_artifacts

PROGRAMS = {"image_encoder", "memory_attention", "mask_decoder", "memory_encoder"}

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package)


@pytest.fixture(scope="module", autouse=True)
def onnx():
    """The entry of ONNX Runtime, registered while this file's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        entry = importlib.import_module("onnx_target").ONNX
        tinysam2.register_target(entry)
        yield entry
        tinysam2.unregister_target(entry.name)


@pytest.fixture(scope="module")
def converted(tmp_path_factory, run_tinysam2, onnx) -> Path:
    """What `tinysam2 convert onnx` wrote."""
    folder = tmp_path_factory.mktemp("onnx")
    result = run_tinysam2("convert", "onnx", "--output", folder)
    assert result.exit_code == 0, result.output
    assert "ONNX Runtime fp32, preset nano" in result.stdout
    return folder


@pytest.fixture(scope="module")
def validated(converted, run_tinysam2):
    """What `tinysam2 validate` printed of two frames."""
    reports = (argument for form in ("json", "html", "md") for argument in ("--report", converted / f"report.{form}"))
    return run_tinysam2("validate", converted, "--frames", 2, *reports)


def test_the_card_says_what_was_made(converted, onnx):
    card = read_card(converted, onnx)
    assert card.files == {program: f"{program}.onnx" for program in PROGRAMS}
    assert {"torch", "onnx", "onnxruntime", "onnxscript"} <= set(card.versions)


def test_help_offers_it(run_tinysam2):
    assert "tflite|onnx" in run_tinysam2("convert", "--help").stdout
    assert "tflite|onnx]" in run_tinysam2("track", "--help").stdout


def test_a_precision_that_it_does_not_have_is_refused(run_tinysam2, tmp_path):
    result = run_tinysam2("convert", "onnx", "--precision", "fp16", "--output", tmp_path / "artifacts")
    assert "target onnx has no precision 'fp16'; it has fp32" in str(result.exception) + result.output


def test_it_tracks_as_the_float_model(converted, run_tinysam2, clip, tmp_path):
    tracked = {}
    for backend, more in {"onnx": ("--artifacts", converted), "torch": ()}.items():
        output = tmp_path / backend
        mask = clip / "masks" / "00000.png"
        result = run_tinysam2("track", clip, "--backend", backend, *more, "--mask", mask, "--output", output)
        assert result.exit_code == 0, result.output
        tracked[backend] = [np.asarray(Image.open(path)) for path in sorted(output.glob("*.png"))]
    assert len(tracked["onnx"]) == len(tracked["torch"]) == 12
    same = [np.mean(ours == expected) for ours, expected in zip(*tracked.values(), strict=True)]
    assert min(same) > 0.999


def test_it_passes_validation_which_says_what_is_not_available(validated, converted):
    assert validated.exit_code == 0, validated.output
    assert "passed: onnx fp32 (ONNX Runtime, on this processor" in validated.stdout
    assert "not available: static memory, memory layout)" in validated.stdout
    report = json.loads((converted / "report.json").read_text())
    [target] = report["targets"]
    assert target["memory"] is None
    assert target["not_available"] == ["static memory", "memory layout"]
    assert {program["program"] for program in target["programs"]} == PROGRAMS
    assert min(program["sqnr_db"] for program in target["programs"]) >= 100
    assert not {"activations MiB", "weights MiB", "total MiB"} & {gate["measure"] for gate in target["gates"]}
    assert "not available" in (converted / "report.html").read_text(encoding="utf-8")
    assert "| not available |" in (converted / "report.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not can_measure(), reason="this system does not tell a process's memory")
def test_its_memory_is_measured_in_a_fresh_process_which_knows_it_too(converted):
    measured = measure_artifacts("onnx", converted, frames=120)
    assert measured.frames == 120
    assert measured.loaded > measured.before_load
    assert measured.bank_first == measured.bank_last


def test_locating_is_refused_for_want_of_intermediate_values(converted, run_tinysam2):
    result = run_tinysam2("validate", converted, "--frames", 2, "--locate")
    assert "intermediate values, which are not available of onnx" in str(result.exception) + result.output
    assert result.exit_code != 0


def test_a_bundle_for_its_platform_holds_it(validated, converted, onnx, tmp_path):
    from tinysam2.converters.bundle.platforms import platforms
    from tinysam2.converters.bundle.writer import Contents, write_bundle

    assert "desktop" in platforms()
    report = json.loads((converted / "report.json").read_text())
    contents = Contents(report, "<p>page</p>")
    write_bundle("desktop", [read_card(converted, onnx)], converted, contents, tmp_path / "desktop")
    manifest = read_manifest(tmp_path / "desktop" / "manifest.json")
    assert manifest["parity"] == {"passed": True, "targets": {"onnx": True}, "report": "report.json"}
    assert manifest["targets"]["onnx"]["inputs_by"] == "name"
    assert manifest["targets"]["onnx"]["runtime"]["package"] == "onnxruntime"
    assert {f"{program}.onnx" for program in PROGRAMS} <= set(manifest["files"])


def test_a_corrupt_file_is_refused(converted, onnx, reseal, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(converted, folder)
    (folder / "mask_decoder.onnx").write_bytes(b"nothing of the kind")
    reseal(folder, "onnx")
    with pytest.raises(ValueError, match=r"is not a readable \.onnx file"):
        tinysam2.load_artifacts(onnx, folder)
