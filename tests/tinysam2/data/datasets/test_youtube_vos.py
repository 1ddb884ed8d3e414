"""YouTube-VOS and MOSE: sparse masks, objects that appear late, and what meta.json says of them."""

import json

import pytest

from tinysam2.core.errors import InputError
from tinysam2.data.datasets import open_dataset

NAMES = ("00000", "00005", "00010", "00015")


@pytest.fixture
def videos(tmp_path, ids, put_frames, put_masks):
    """`valid` of one video: object 1 from the start, object 2 from frame 00010, masks where one begins."""
    put_frames(tmp_path / "valid/JPEGImages/0a1b", NAMES)
    put_masks(tmp_path / "valid/Annotations/0a1b", {"00000": ids(1), "00010": ids(1, 2)})
    return tmp_path


@pytest.fixture
def put_meta(videos):
    def put(objects, name="0a1b"):
        entries = {i: {"category": "fish", "frames": frames} for i, frames in objects.items()}
        (videos / "valid/meta.json").write_text(json.dumps({"videos": {name: {"objects": entries}}}))

    return put


def test_objects_begin_at_their_first_mask(videos):
    [sequence] = open_dataset(videos, "valid")
    assert (sequence.name, sequence.frame_names) == ("0a1b", NAMES)
    assert sequence.objects == {1: 0, 2: 2}
    assert sequence.ids(1) is None


def test_the_split_s_own_folder_is_a_data_set_too(videos):
    assert len(open_dataset(videos / "valid")) == 1


def test_meta_json_says_where_objects_begin(videos, put_meta):
    put_meta({"2": ["00010", "00015"], "1": ["00010"]})
    [sequence] = open_dataset(videos, "valid")
    assert sequence.objects == {1: 2, 2: 2}


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({"2": ["00000"]}, "object 2 of 0a1b begins in frame 00000, but is in no mask"),
        ({"1": ["00005"]}, "object 1 of 0a1b begins in frame 00005, but is in no mask"),
        ({"1": ["00007"]}, "object 1 of 0a1b begins in frame 00007, which the sequence has not got"),
    ],
)
def test_an_object_that_does_not_begin_where_meta_json_says_is_refused(videos, put_meta, objects, words):
    put_meta(objects)
    [sequence] = open_dataset(videos, "valid")
    with pytest.raises(InputError, match=words):
        _ = sequence.objects


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({"255": ["00000"]}, "gives 0a1b the object id 255; ids are 1 to 254"),
        ({"0": ["00000"]}, "gives 0a1b the object id 0"),
        ({}, "gives 0a1b no object"),
        ({"1": []}, r"meta\.json is not the meta\.json of YouTube-VOS"),
    ],
)
def test_a_meta_json_that_cannot_be_right_is_refused(videos, put_meta, objects, words):
    put_meta(objects)
    with pytest.raises(InputError, match=words):
        open_dataset(videos, "valid")


def test_meta_json_and_the_folders_must_name_the_same_sequences(videos, put_meta, put_frames, put_masks, ids):
    put_meta({"1": ["00000"]}, name="ffff")
    with pytest.raises(InputError, match=r"names ffff, but .* has no such folder"):
        open_dataset(videos, "valid")
    put_meta({"1": ["00000"]})
    put_frames(videos / "valid/JPEGImages/ffff", NAMES)
    put_masks(videos / "valid/Annotations/ffff", {"00000": ids(1)})
    with pytest.raises(InputError, match="does not know the sequence ffff"):
        open_dataset(videos, "valid")


def test_a_broken_meta_json_is_refused(videos):
    (videos / "valid/meta.json").write_text("{")
    with pytest.raises(InputError, match=r"meta\.json is not the meta\.json of YouTube-VOS"):
        open_dataset(videos, "valid")


def test_masks_without_frames_and_frames_without_masks_are_refused(videos, put_masks, put_frames, ids):
    put_masks(videos / "valid/Annotations/ffff", {"00000": ids(1)})
    with pytest.raises(InputError, match="Annotations/ffff have no frames"):
        open_dataset(videos, "valid")
    put_frames(videos / "valid/JPEGImages/ffff", NAMES)
    put_frames(videos / "valid/JPEGImages/eeee", NAMES)
    with pytest.raises(InputError, match=r"folder of masks .*Annotations/eeee does not exist"):
        open_dataset(videos, "valid")


def test_a_data_set_without_sequences_is_refused(tmp_path):
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(InputError, match="is empty"):
        open_dataset(tmp_path)
