"""`convert`: what it asks of the converters and what it prints; the real conversions are in tests/e2e."""

import importlib.util
import json

import pytest

from tinysam2.core.targets import TARGETS
from tinysam2.inputs.destinations import put_artifacts


@pytest.fixture
def conversions(monkeypatch, write_card) -> list[dict[str, str]]:
    """A converter that only writes a card and 2,048 bytes; the precisions asked of it, by call."""
    asked = []

    def convert(loaded, precisions, folder, progress, cache):
        asked.append(dict(precisions))
        folder.mkdir(parents=True, exist_ok=True)
        [target] = precisions
        (folder / "model.bin").write_bytes(bytes(2048))
        progress(0.5, "converting")
        return [write_card(folder, target, "model.bin", loaded.model.config.name)]

    monkeypatch.setattr("tinysam2.converters.convert.convert_model", convert)
    return asked


@pytest.mark.usefixtures("toolchains")
def test_convert_prints_each_file_with_its_size_and_how_long_it_took(run, conversions, tmp_path):
    result = run("convert", "executorch", "--output", tmp_path / "artifacts")
    assert result.exit_code == 0
    assert "model.bin" in result.stdout
    assert "2,048" in result.stdout
    assert "ExecuTorch fp32, preset nano, in" in result.stdout
    assert "untrained weights" in result.stdout


@pytest.mark.usefixtures("toolchains")
def test_convert_as_json_prints_the_card(run, conversions, tmp_path):
    result = run("convert", "tflite", "--output", tmp_path, "--json")
    printed = json.loads(result.stdout)
    assert printed["target"] == "tflite"
    assert printed["preset"] == "nano"
    assert printed["trained"] is False
    assert printed["seconds"] >= 0
    card = json.loads((tmp_path / "tflite.json").read_text())
    assert card.items() <= printed.items()


@pytest.mark.usefixtures("toolchains")
@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_a_precision_of_its_own_by_default(run, conversions, tmp_path, target):
    run("convert", target, "--output", tmp_path)
    assert conversions == [{target: TARGETS[target].default_precision}]


@pytest.mark.usefixtures("toolchains")
def test_the_precision_asked_for_is_the_one_converted_to(run, conversions, tmp_path):
    run("convert", "coreml", "--precision", "fp32", "--output", tmp_path)
    assert conversions == [{"coreml": "fp32"}]


@pytest.mark.usefixtures("toolchains")
def test_targets_share_a_folder_that_holds_other_things(run, conversions, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for target in ("tflite", "executorch"):
        assert run("convert", target, "--output", tmp_path).exit_code == 0
    assert {p.name for p in tmp_path.iterdir()} == {
        "executorch.json",
        "model.bin",
        "notes.txt",
        "tflite.json",
    }


@pytest.mark.usefixtures("toolchains")
def test_artifacts_may_go_to_the_working_folder(run, conversions, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("convert", "tflite", "--output", ".").exit_code == 0
    assert (tmp_path / "tflite.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["onnx"], ["unknown target 'onnx'", "coreml, executorch, tflite"]),
        (["coreml", "--preset", "huge"], ["unknown preset 'huge'", "tinysam2, tinysam2-512, nano"]),
        (["coreml", "--precision", "fp8"], ["coreml has no precision 'fp8'", "fp16, fp32, int8"]),
        (["executorch", "--precision", "fp16"], ["executorch has no precision 'fp16'", "it has fp32, int8"]),
        (["tflite", "--precision", "int4"], ["tflite has no precision 'int4'", "fp32, fp16, int8"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_names_there_are(run, assert_refused, tmp_path, arguments, words):
    assert_refused(run("convert", *arguments, "--output", tmp_path / "o"), *words)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_missing_toolchain_is_named_with_the_extra_that_brings_it(run, assert_refused, monkeypatch, tmp_path, target):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in target.packages else find_spec(name))
    result = run("convert", target.name, "--output", tmp_path / "o")
    assert_refused(result, target.packages[0], "not installed", f"pip install 'tinysam2[{target.extra}]'")
    assert not (tmp_path / "o").exists()


@pytest.mark.usefixtures("toolchains")
def test_an_output_that_is_a_file_is_refused_and_kept(run, assert_refused, conversions, tmp_path):
    (tmp_path / "notes").write_text("mine")
    assert_refused(run("convert", "tflite", "--output", tmp_path / "notes"), "notes: it is a file", "a folder")
    assert_refused(run("convert", "tflite", "--output", tmp_path / "notes/o"), "notes is a file")
    assert (tmp_path / "notes").read_text() == "mine"
    assert conversions == []


@pytest.mark.usefixtures("toolchains")
def test_an_output_that_cannot_be_written_is_refused_before_the_work(run, assert_refused, conversions):
    assert_refused(run("convert", "tflite", "--output", "/proc/artifacts"), "cannot write /proc/artifacts")
    assert conversions == []


@pytest.mark.usefixtures("toolchains")
def test_an_interrupted_conversion_leaves_the_earlier_artifacts_whole(
    run, conversions, tmp_path, contents, monkeypatch
):
    run("convert", "tflite", "--output", tmp_path)
    earlier = contents(tmp_path)

    def interrupted(loaded, precisions, folder, progress, cache):
        (folder / "model.bin").write_bytes(b"half of the new one")
        raise KeyboardInterrupt

    monkeypatch.setattr("tinysam2.converters.convert.convert_model", interrupted)
    result = run("convert", "tflite", "--output", tmp_path)
    assert result.exit_code == 130
    assert len(result.stderr.splitlines()) == 1
    assert contents(tmp_path) == earlier


def test_packages_and_files_alike_replace_the_former_ones(tmp_path, contents):
    made, folder = tmp_path / "made", tmp_path / "artifacts"
    for place, text in ((made, "new"), (folder, "former")):
        (place / "encoder.mlpackage").mkdir(parents=True)
        (place / "encoder.mlpackage" / text).write_text(text)
        (place / "coreml.json").write_text(text)
    (folder / "tflite.json").write_text("another target's")
    put_artifacts(made, folder, folder / "coreml.json")
    assert contents(folder) == {
        "coreml.json": b"new",
        "encoder.mlpackage": b"",
        "encoder.mlpackage/new": b"new",
        "tflite.json": b"another target's",
    }


def test_artifacts_that_could_not_all_be_put_have_no_card(tmp_path, monkeypatch):
    made, folder = tmp_path / "made", tmp_path / "artifacts"
    for place in (made, folder):
        place.mkdir()
        for name in ("a.pte", "coreml.json", "z.pte"):
            (place / name).write_text(name)

    def cut_off(source, target):
        if source.name == "z.pte":
            raise KeyboardInterrupt
        target.write_text(source.read_text())

    monkeypatch.setattr("shutil.copyfile", cut_off)
    with pytest.raises(KeyboardInterrupt):
        put_artifacts(made, folder, folder / "coreml.json")
    assert sorted(path.name for path in folder.iterdir()) == ["a.pte", "z.pte"]
