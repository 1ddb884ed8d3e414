"""`presets` and `sample-clip`."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from tinysam2.core.config import PRESETS


def test_presets_shows_each_preset_with_the_share_of_memory_it_keeps(run):
    result = run("presets")
    assert result.exit_code == 0
    for name in PRESETS:
        assert name in result.stdout
    assert result.stdout.count("6.92%") == 3


def test_presets_as_json_holds_every_field_of_the_config_and_the_variant_s_name(run):
    entries = {entry["name"]: entry for entry in json.loads(run("presets", "--json").stdout)}
    for name, config in PRESETS.items():
        assert entries[name].items() >= json.loads(json.dumps(asdict(config))).items()
    assert [entry["repvit_variant"] for entry in entries.values()] == ["m1", "m1", "nano"]


def test_presets_as_json_says_what_one_objects_bank_takes(run):
    entries = {entry["name"]: entry for entry in json.loads(run("presets", "--json").stdout)}
    assert list(entries) == list(PRESETS)
    assert entries["nano"]["memory_tokens"] == 124
    # tokens, coordinates, quality and age by slot, pointers and their ages
    values = 124 * 32 + 124 * 2 + 7 + 7 + 16 * 128 + 16
    assert entries["nano"]["bank_bytes_fp16"] == 2 * values


def test_sample_clip_writes_frames_and_masks(run, tmp_path):
    result = run("sample-clip", tmp_path / "clip", "--frames", 3, "--objects", 2)
    assert result.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "clip/frames").iterdir()) == [
        "00000.jpg",
        "00001.jpg",
        "00002.jpg",
    ]
    first = np.array(Image.open(tmp_path / "clip/masks/00000.png"))
    assert set(np.unique(first)) == {0, 1, 2}


def test_sample_clip_replaces_a_former_one(run, tmp_path):
    for frames in (4, 2):
        assert run("sample-clip", tmp_path / "clip", "--frames", frames).exit_code == 0
    assert len(list((tmp_path / "clip/frames").iterdir())) == 2


@pytest.mark.parametrize("option", [("--frames", 0), ("--frames", "few"), ("--objects", 3)])
def test_sample_clip_refuses_impossible_numbers(run, tmp_path, option):
    result = run("sample-clip", tmp_path / "clip", *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr
    assert not (tmp_path / "clip").exists()


def test_sample_clip_keeps_off_a_folder_of_somebodys_own(run, tmp_path, assert_refused):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert_refused(run("sample-clip", tmp_path), "will not replace", str(tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_sample_clip_refuses_a_file_as_its_folder(run, tmp_path, assert_refused):
    (tmp_path / "notes").write_text("mine")
    assert_refused(run("sample-clip", tmp_path / "notes"), "notes", "is a file")
    assert_refused(run("sample-clip", tmp_path / "notes/clip"), "notes is a file")
    assert (tmp_path / "notes").read_text() == "mine"
