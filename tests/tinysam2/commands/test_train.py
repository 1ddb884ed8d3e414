"""`train`: a run of a step or two on a tiny data set, going on with it, and what it refuses before it begins."""

import csv
import json
from pathlib import Path

import pytest
from safetensors import safe_open

from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.models.weights.checkpoint import shipped_weights

SHORT = ("--batch-frames", 2, "--parts", 1, "--curriculum", "1:2:1", "--warmup", 0, "--device", "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two sequences of one object, 96x72; tests must not change it."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("koi", "pond"):
        write_sample_clip(folder / name, 4, (96, 72))
    return folder


@pytest.fixture
def train(run, data, tmp_path):
    """Runs `train` for two steps into `run` unless told otherwise."""
    return lambda *options, data=data: run(
        "train", "--data", data, "--output", tmp_path / "run", "--steps", 2, *SHORT, *options
    )


def test_a_run_leaves_weights_a_log_curves_and_its_settings(train, tmp_path):
    result = train("--hold-out", "koi", "--json")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == {
        "curves.png", "log.csv", "run.json", "state.pt", "weights.safetensors"
    }  # fmt: skip
    about = json.loads((folder / "run.json").read_text())
    assert (about["sequences"], about["held_out"], about["preset"]) == (["pond"], ["koi"], "nano")
    [row] = csv.DictReader((folder / "log.csv").open())
    told = json.loads(result.stdout)
    assert (told["steps"], float(row["loss"])) == (2, told["loss"])
    assert 0 <= told["held_out_j"] <= 1
    with safe_open(folder / "weights.safetensors", "pt") as file:
        assert file.metadata()["steps"] == "2"


def test_the_weights_carry_the_licence_that_is_given_and_their_data(train, data, tmp_path):
    assert train("--licence", "CC-BY-4.0").exit_code == 0
    with safe_open(tmp_path / "run/weights.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["licence"] == "CC-BY-4.0"
    assert json.loads(metadata["trained_on"]) == [f"{data.parent.name}/{data.name}"]


def test_training_from_a_checkpoint_keeps_its_licence(train, data, tmp_path):
    assert train("--checkpoint", shipped_weights("nano")).exit_code == 0
    with safe_open(tmp_path / "run/weights.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["licence"] == "CC-BY-NC-4.0"
    assert json.loads(metadata["trained_on"]) == ["DAVIS 2016 train", f"{data.parent.name}/{data.name}"]


def test_a_finished_run_is_taken_as_it_is_and_another_is_refused(train, assert_refused, tmp_path):
    assert train().exit_code == 0
    weights = (tmp_path / "run/weights.safetensors").read_bytes()
    assert train().exit_code == 0
    assert (tmp_path / "run/weights.safetensors").read_bytes() == weights
    assert_refused(train("--seed", 1), "holds another run", "settings.seed is 0, not 1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hold-out", "carp"), ("carp", "does not have")),
        (("--curriculum", "half"), ("--curriculum 'half'", "SHARE:FRAMES:REAL")),
        (("--curriculum", "0.5:2:1"), ("curriculum", "come to 1")),
        (("--batch-frames", 1), ("batch_frames is 1", "2 frames")),
        (("--learning-rate", 0), ("learning_rate is 0.0", "above 0")),
        (("--steps", 0), ("steps is 0", "at least 1")),
        (("--teacher-preset", "nano"), ("--teacher-preset", "teacher's weights")),
        (("--teacher", "none.safetensors"), ("none.safetensors", "does not exist")),
        (("--checkpoint", "none.safetensors"), ("none.safetensors", "does not exist")),
        (("--device", "tpu"), ("unknown device 'tpu'", "cpu, cuda")),
        (("--hold-out", "koi,pond"), ("no video to train on",)),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(train, assert_refused, tmp_path, options, words):
    assert_refused(train(*options), *words)
    assert not (tmp_path / "run/state.pt").exists()


def test_a_folder_of_something_else_is_not_trained_into(train, assert_refused, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("mine")
    assert_refused(train(), "not empty", "run.json")
