"""`quantize` and `sensitivity`: int8 checkpoints and recipes from a tiny data set, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tinysam2.data.sample_clip import write_sample_clip

FEW = ("--calibration-batches", 1, "--batch-frames", 2, "--parts", 1, "--curriculum", "1:2:1", "--device", "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A sequence of one object, 96x72; tests must not change it."""
    folder = tmp_path_factory.mktemp("data")
    write_sample_clip(folder / "pond", 6, (96, 72))
    return folder


@pytest.fixture
def quantize(run, data, tmp_path):
    """Runs `quantize` into int8.safetensors with as little calibration as there can be."""
    return lambda *options: run("quantize", "--data", data, "--output", tmp_path / "int8.safetensors", *FEW, *options)


def test_calibration_alone_gives_an_int8_checkpoint_and_no_run(quantize, tmp_path):
    result = quantize("--calibrate-only", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["steps"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["int8.safetensors"]
    with safe_open(tmp_path / "int8.safetensors", "pt") as file:
        assert {"recipe", "teacher", "preset"} <= set(file.metadata())
        assert file.metadata()["licence"] == "CC-BY-NC-4.0"
        assert json.loads(file.metadata()["trained_on"])[0] == "DAVIS 2016 train"
        assert file.get_tensor("image_encoder.trunk.stem.conv1.weight").dtype == torch.int8


def test_training_changes_what_calibration_set_and_keeps_its_run(quantize, tmp_path):
    assert quantize("--calibrate-only").exit_code == 0
    before = (tmp_path / "int8.safetensors").read_bytes()
    result = quantize("--steps", 2)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "int8.run/log.csv").read_text().startswith("step,learning_rate,")
    assert (tmp_path / "int8.safetensors").read_bytes() != before


def test_a_recipe_is_followed_and_a_bad_one_refused(quantize, assert_refused, tmp_path):
    rules = [{"program": "mask_decoder", "layers": "pointer.*", "precision": "w8"}]
    (tmp_path / "recipe.json").write_text(json.dumps(rules))
    assert quantize("--calibrate-only", "--recipe", tmp_path / "recipe.json").exit_code == 0
    with safe_open(tmp_path / "int8.safetensors", "pt") as file:
        integers = [name for name in file.keys() if file.get_tensor(name).dtype == torch.int8]  # noqa: SIM118
    assert integers == [f"mask_decoder.pointer.layers.{i}.weight" for i in range(3)]
    (tmp_path / "recipe.json").write_text("[]")
    assert_refused(quantize("--recipe", tmp_path / "recipe.json"), "recipe.json", "list of rules")


def test_int8_weights_are_not_quantized_again(quantize, run, data, assert_refused, tmp_path):
    assert quantize("--calibrate-only").exit_code == 0
    again = run("quantize", "--data", data, "--output", tmp_path / "b.safetensors", "--calibrate-only",
                "--checkpoint", tmp_path / "int8.safetensors", *FEW)  # fmt: skip
    assert_refused(again, "holds int8 weights")


@pytest.mark.usefixtures("toolchains")
def test_int8_weights_are_converted_to_int8_alone(quantize, run, assert_refused, tmp_path):
    assert quantize("--calibrate-only").exit_code == 0
    convert = ("convert", "coreml", "--output", tmp_path / "artifacts", "--checkpoint", tmp_path / "int8.safetensors")
    assert_refused(run(*convert, "--precision", "fp32"), "holds int8 weights", "float weights")


def test_sensitivity_ranks_layers_and_writes_a_recipe_that_quantize_takes(run, data, quantize, tmp_path):
    recipe, plot = tmp_path / "recipe.json", tmp_path / "layers.png"
    rules = [{"program": "mask_decoder", "layers": "hypernetworks.*", "precision": "w8a8"}]
    (tmp_path / "base.json").write_text(json.dumps(rules))
    result = run("sensitivity", "--data", data, "--recipe", tmp_path / "base.json", "--sequences", 1, "--frames", 3,
                 "--least-iou", 1,
                 "--output", recipe, "--plot", plot, "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert len(told["layers"]) == 12
    ious = [layer["mask_iou"] for layer in told["layers"]]
    assert ious == sorted(ious)
    spared = [layer["layer"] for layer in told["layers"] if layer["mask_iou"] < 1]
    assert [rule["layers"] for rule in json.loads(recipe.read_text())[1:]] == spared
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert quantize("--calibrate-only", "--recipe", recipe).exit_code == 0
