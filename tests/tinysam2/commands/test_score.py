"""`score`: a table or JSON of J and F, and refusals that leave nothing behind."""

import json
import shutil

import numpy as np
import pytest

from tinysam2.data.masks import read_mask, write_mask


@pytest.fixture
def data(tmp_path, clip):
    """A data set of one sequence, `pond`, four frames with two objects."""
    shutil.copytree(clip, tmp_path / "data/pond")
    return tmp_path / "data"


@pytest.fixture
def predictions(tmp_path, clip):
    """The truth of object 1, and nothing of object 2."""
    for path in (clip / "masks").iterdir():
        ids = read_mask(path)
        write_mask(tmp_path / "predictions/pond" / path.name, np.where(ids == 1, ids, 0))
    return tmp_path / "predictions"


def test_a_table_has_a_row_a_sequence_and_the_mean(run, data, predictions):
    result = run("score", predictions, "--data", data)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    figures = ["2", "50.0", "50.0", "50.0", "50.0", "0.0", "50.0", "0.0"]
    assert ["pond", *figures] in rows
    assert ["mean", "over", "objects", *figures] in rows


def test_json_goes_to_a_file_beside_the_table(run, data, predictions, tmp_path):
    result = run("score", predictions, "--data", data, "--json", tmp_path / "scores.json")
    assert result.exit_code == 0
    assert "pond" in result.stdout
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["mean"]["J"] == 0.5
    assert scores["sequences"]["pond"]["objects"]["1"]["J"]["per_frame"] == [None, 1.0, 1.0, None]
    assert scores["sequences"]["pond"]["objects"]["2"]["F"]["mean"] == 0.0


def test_json_on_standard_output_stands_alone(run, data, predictions, tmp_path):
    result = run("score", predictions, "--data", data, "--json", tmp_path / "scores.json")
    printed = run("score", predictions, "--data", data, "--json", "-")
    assert result.exit_code == printed.exit_code == 0
    assert json.loads(printed.stdout) == json.loads((tmp_path / "scores.json").read_text())


def test_a_split_is_scored_alone(run, data, predictions):
    (data / "val").mkdir()
    (data / "pond").rename(data / "val/pond")
    shutil.copytree(data / "val", data / "train")
    (data / "train/pond").rename(data / "train/lake")
    result = run("score", predictions, "--data", data, "--split", "val")
    assert result.exit_code == 0
    assert "pond" in result.stdout
    assert "lake" not in result.stdout


def test_an_object_that_only_the_last_frame_has_is_told_apart(run, data, predictions):
    last = max((data / "pond/masks").iterdir())
    ids = read_mask(last)
    ids[:2, :2] = 9
    write_mask(last, ids)
    result = run("score", predictions, "--data", data)
    assert result.exit_code == 0
    assert "objects that no mean counts, since no frame of theirs is scored: 1" in result.stdout


def test_bad_input_is_refused_in_a_sentence_and_nothing_is_written(
    run, data, predictions, tmp_path, assert_refused, contents
):
    def refused(*words, split=(), json_file=tmp_path / "scores.json", folder=predictions):
        before = contents(tmp_path)
        assert_refused(run("score", folder, "--data", data, *split, "--json", json_file), *words)
        assert contents(tmp_path) == before

    refused("has no splits", split=("--split", "val"))
    refused("have no folder pond", folder=tmp_path / "absent")
    (predictions / "pond/00002.png").write_bytes(b"")
    refused("pond/00002.png is damaged")
    (predictions / "pond/00002.png").unlink()
    refused("pond/00002.png does not exist")
    refused("it is a folder", json_file=predictions)
    (data / "pond/frames/00001.jpg").unlink()
    refused("has no frame 00001")
    shutil.rmtree(data)
    refused("does not exist; name a folder")


def test_help_shows_an_example(run):
    assert "tinysam2 score predictions --data DAVIS --split val" in run("score", "--help").stdout
