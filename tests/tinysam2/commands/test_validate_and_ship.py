"""Bad input to `validate` and `ship`: one sentence, status 2, nothing written. Real artifacts: see tests/e2e."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tinysam2.core.targets import TARGETS


@pytest.fixture
def artifacts(tmp_path, write_card):
    """A folder with the card of artifacts whose file is there and is garbage."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "tinysam2.tflite").write_bytes(b"garbage" * 99)
    write_card(folder, "tflite", "tinysam2.tflite")
    return folder


@pytest.fixture
def refused(run, assert_refused, contents, artifacts):
    """Runs `validate` on the artifacts; it must refuse with these words and leave the folder as it was."""

    def check(*options, words):
        earlier = contents(artifacts)
        assert_refused(run("validate", artifacts, *options), *words)
        assert contents(artifacts) == earlier

    return check


@pytest.mark.parametrize(
    ("path", "words"),
    [("absent", ["absent is not a folder of artifacts"]), ("empty", ["holds no artifacts", "tinysam2 convert"])],
)
def test_a_folder_without_artifacts(run, assert_refused, tmp_path, path, words):
    (tmp_path / "empty").mkdir()
    assert_refused(run("validate", tmp_path / path), *words)


def test_artifacts_of_two_presets(run, assert_refused, tmp_path, write_card):
    for target, preset in (("tflite", "nano"), ("executorch", "tinysam2")):
        write_card(tmp_path, target, "file", preset)
    (tmp_path / "file").touch()
    assert_refused(run("validate", tmp_path), "mixes artifacts of nano and tinysam2", "one preset")


def test_artifacts_of_which_only_some_are_int8(run, assert_refused, tmp_path, write_card):
    write_card(tmp_path, "tflite", "file")
    replace(write_card(tmp_path, "executorch", "file"), precision="int8").write(tmp_path)
    (tmp_path / "file").touch()
    assert_refused(run("validate", tmp_path), "mixes int8 and float artifacts", "one kind")


@pytest.mark.usefixtures("toolchains")
def test_locating_in_int8_artifacts(run, assert_refused, tmp_path, write_card):
    replace(write_card(tmp_path, "tflite", "file"), precision="int8").write(tmp_path)
    (tmp_path / "file").touch()
    assert_refused(run("validate", tmp_path, "--locate", "mask_decoder"), "--locate follows float values", "int8")


@pytest.mark.usefixtures("toolchains")
def test_int8_artifacts_of_a_preset_without_int8_weights(run, assert_refused, tmp_path, write_card, monkeypatch):
    monkeypatch.setattr("tinysam2.models.weights.checkpoint.WEIGHTS", tmp_path / "none")
    replace(write_card(tmp_path, "tflite", "file"), precision="int8").write(tmp_path)
    (tmp_path / "file").touch()
    assert_refused(run("validate", tmp_path), "no int8 weights are shipped", "tinysam2 quantize", "--checkpoint")


@pytest.mark.usefixtures("toolchains")
def test_a_clip_that_is_not_there(refused, tmp_path):
    refused("--clip", tmp_path / "absent.mp4", "--point", "1,1", words=["absent.mp4 does not exist"])


@pytest.mark.usefixtures("toolchains")
def test_a_video_without_a_prompt(refused, video):
    refused("--clip", video, words=["brings no masks", "--point"])


def test_a_prompt_for_the_embedded_clip(refused):
    refused("--point", "1,1", words=["embedded clip brings its own prompt"])


def test_a_data_set_beside_a_clip_or_a_prompt(refused, clip):
    refused("--data", clip, "--clip", clip, words=["data set brings its clips and prompts", "--data alone"])
    refused("--data", clip, "--point", "1,1", words=["data set brings its clips and prompts", "--data alone"])


def test_a_split_of_no_data_set(refused):
    refused("--split", "val", words=["--split", "give it with --data"])


@pytest.mark.usefixtures("toolchains")
def test_a_data_set_that_is_none(refused, tmp_path):
    refused("--data", tmp_path / "absent", words=["the data set", "absent does not exist"])
    (tmp_path / "bare").mkdir()
    refused("--data", tmp_path / "bare", words=["bare is no data set", "SEQUENCE/frames"])


@pytest.mark.usefixtures("toolchains")
def test_a_point_outside_the_frame(refused, clip):
    refused("--clip", clip, "--point", "96,10", words=["96,10 lies outside", "96x72"])


@pytest.mark.usefixtures("toolchains")
def test_an_empty_mask(refused, clip, tmp_path):
    Image.fromarray(np.zeros((72, 96), np.uint8)).save(tmp_path / "empty.png")
    refused("--clip", clip, "--mask", tmp_path / "empty.png", words=["empty.png", "empty"])


def test_no_frames_at_all(refused):
    refused("--frames", 0, words=["--frames"])


@pytest.mark.usefixtures("toolchains")
def test_a_report_that_cannot_be_written(refused, tmp_path):
    (tmp_path / "file").touch()
    refused("--report", tmp_path / "file" / "report.json", words=["report.json", "file"])


@pytest.mark.usefixtures("toolchains")
def test_a_report_in_a_form_that_there_is_not(refused, tmp_path):
    refused(
        "--report", tmp_path / "r.json", "--report", tmp_path / "r.pdf", words=["r.pdf", ".json, .html, .md or .xml"]
    )


BAD_BUDGETS = [
    ('{"totl": 3}', ["unknown limit 'totl'", "growth_over_300_frames"]),
    ('{"total": -3}', ["total is -3", "at least 0"]),
    ("total: 3", ["is not JSON"]),
]


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize(("text", "words"), BAD_BUDGETS)
def test_a_budget_that_is_none(refused, run, assert_refused, tmp_path, text, words):
    (tmp_path / "budget.json").write_text(text)
    refused("--budget", tmp_path / "budget.json", words=words)
    assert_refused(run("ship", "--budget", tmp_path / "budget.json", "--output", tmp_path / "dist"), *words)
    assert not (tmp_path / "dist").exists()


@pytest.mark.usefixtures("toolchains")
def test_a_budget_that_is_not_there(refused, tmp_path):
    refused("--budget", tmp_path / "absent.json", words=["absent.json does not exist"])


def test_a_runtime_that_is_not_installed(refused, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "litert_torch" else find(name))
    refused(words=["litert_torch", "tinysam2[tflite]"])


@pytest.mark.usefixtures("toolchains")
def test_corrupt_artifacts_write_no_report(run, artifacts):
    result = run("validate", artifacts, "--frames", 1)

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "tinysam2.tflite" in result.stderr
    assert not list(artifacts.glob("report.*"))


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize("target", list(TARGETS))
def test_nothing_is_shipped_without_every_toolchain(run, assert_refused, tmp_path, monkeypatch, target):
    find, missing = importlib.util.find_spec, TARGETS[target].packages[0]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    assert_refused(run("ship", "--output", tmp_path / "dist"), missing, f"tinysam2[{TARGETS[target].extra}]")
    assert not (tmp_path / "dist").exists()


@pytest.mark.usefixtures("toolchains")
def test_an_output_that_is_a_file(run, assert_refused, tmp_path):
    (tmp_path / "dist").write_text("mine")
    assert_refused(run("ship", "--output", tmp_path / "dist"), "is a file")
    assert (tmp_path / "dist").read_text() == "mine"


def test_an_unknown_platform(run, assert_refused):
    assert_refused(run("ship", "--platform", "symbian"), "unknown platform 'symbian'", "ios", "android", "all")


def test_a_runtime_that_the_platform_does_not_have(run, assert_refused):
    result = run("ship", "--platform", "android", "--runtime", "coreml")
    assert_refused(result, "coreml is not shipped for android", "executorch, tflite")


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize("there", ["ios/manifest.json", "ios.zip"])
def test_a_former_bundle_is_not_replaced_unless_asked(run, assert_refused, tmp_path, there):
    (tmp_path / "dist" / there).parent.mkdir(parents=True)
    (tmp_path / "dist" / there).write_text("mine")
    assert_refused(run("ship", "--output", tmp_path / "dist"), "is there already", "--overwrite")
    assert (tmp_path / "dist" / there).read_text() == "mine"


@pytest.mark.usefixtures("toolchains")
def test_a_folder_that_is_no_former_bundle_is_never_replaced(run, assert_refused, tmp_path):
    (tmp_path / "dist/ios").mkdir(parents=True)
    (tmp_path / "dist/ios/cat.jpg").write_text("meow")
    assert_refused(run("ship", "--overwrite", "--output", tmp_path / "dist"), "holds no manifest.json")
    assert (tmp_path / "dist/ios/cat.jpg").read_text() == "meow"


def test_an_unknown_preset_is_not_shipped(run, assert_refused):
    assert_refused(run("ship", "--preset", "huge"), "unknown preset 'huge'", "nano")
