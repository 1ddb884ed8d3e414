"""`profile --runtime`: which options belong to it, and where its results go."""

import json
from types import SimpleNamespace

import pytest

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.validation.profiling import operations
from tinysam2.validation.profiling.operations import Operation, ProgramProfile, Time

CARD = ArtifactCard("tflite", "nano", "int8", "float32", {}, "shipped weights", "", True, {"ai_edge_litert": "1"})


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """A folder that passes for LiteRT artifacts, and what they were measured with."""
    pytest.importorskip("ai_edge_litert")
    asked = SimpleNamespace(folder=tmp_path)

    def profile_artifacts(folder, card, runs, threads, begin):
        asked.runs, asked.threads = runs, threads
        norm = Operation("NORM", "operator 3", Time(0.5, 0.6), False, ((4,),), "it is a norm", "tensor;3")
        return [ProgramProfile("mask_decoder", Time(1.0, 1.1), [norm])]

    monkeypatch.setattr("tinysam2.inputs.runnable.read_card", lambda folder, target: CARD)
    monkeypatch.setattr("tinysam2.core.artifacts.read_card", lambda folder, target: CARD)
    monkeypatch.setattr(operations, "profile_artifacts", profile_artifacts)
    return asked


def test_the_table_says_what_ran_where_and_how_often(run, measured):
    result = run("profile", "--runtime", "tflite", "--artifacts", measured.folder)
    assert result.exit_code == 0
    assert "mask_decoder: 0.500 ms in 1 operations; 1 undelegated take 100.0%" in result.stdout
    assert "nano int8 on LiteRT, the least of 30 runs, 1 thread, " in result.stdout
    assert (measured.runs, measured.threads) == (30, 1)


def test_json_is_printed_alone_or_written_beside_the_table(run, measured):
    asked = ("profile", "--runtime", "tflite", "--artifacts", measured.folder, "--threads", 2, "--runs", 5)
    printed = json.loads(run(*asked, "--json").stdout)
    assert (printed["runtime"], printed["precision"], printed["threads"], printed["runs"]) == ("tflite", "int8", 2, 5)
    assert printed["programs"]["mask_decoder"]["operations"][0]["reason"] == "it is a norm"
    assert (measured.runs, measured.threads) == (5, 2)

    file = measured.folder / "profile.json"
    beside = run(*asked, "--json", file)
    assert "mask_decoder" in beside.stdout
    assert json.loads(file.read_text()) == printed


def test_node_data_are_written_for_model_explorer(run, measured):
    file = measured.folder / "nodes.json"
    asked = ("profile", "--runtime", "tflite", "--artifacts", measured.folder, "--model-explorer", file)
    assert run(*asked).exit_code == 0
    assert json.loads(file.read_text())["mask_decoder"]["results"]["tensor;3"]["value"] == 0.5


def test_a_target_without_a_profiler_is_not_available(run, assert_refused):
    pytest.importorskip("coremltools")
    assert_refused(run("profile", "--runtime", "coreml"), "target coreml has no profiler: not available")


def test_a_runtime_that_is_not_installed_is_refused(run, assert_refused, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *package: None)
    assert_refused(run("profile", "--runtime", "tflite"), "target tflite needs the package", "which is not installed")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--threads", "2"), "--threads"),
        (("--model-explorer", "nodes.json"), "--model-explorer"),
        (("--precision", "int8"), "--precision"),
    ],
)
def test_options_of_the_clock_need_a_runtime(run, assert_refused, options, named):
    assert_refused(run("profile", *options), f"{named} belongs to a profile by a runtime's clock; add --runtime")


def test_an_unknown_runtime_is_refused(run, assert_refused):
    assert_refused(run("profile", "--runtime", "onnx"), "unknown target 'onnx'")
