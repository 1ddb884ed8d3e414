"""DAVIS 2016 and 2017 are read by their own lists."""

import numpy as np
import pytest
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.datasets import open_dataset

NAMES = ("00000", "00001", "00002")


@pytest.fixture
def davis(tmp_path, ids, put_frames, put_masks):
    """Both years in one folder: bear and camel, and lists of each kind."""
    for name, objects in (("bear", (1,)), ("camel", (1, 2))):
        put_frames(tmp_path / "JPEGImages/480p" / name, NAMES)
        put_masks(tmp_path / "Annotations/480p" / name, dict.fromkeys(NAMES, ids(*objects)))
    lists = {
        "2017/train": "bear\n",
        "2017/val": "camel\nbear\n",
        "2016/val": "bear\n",
        "480p/trainval": "".join(
            f"/JPEGImages/480p/bear/{name}.jpg /Annotations/480p/bear/{name}.png\n" for name in NAMES
        ),
    }
    for name, text in lists.items():
        file = tmp_path / "ImageSets" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.mark.parametrize(("split", "names"), [("train", ["bear"]), ("val", ["camel", "bear"]), ("trainval", ["bear"])])
def test_a_list_names_the_sequences_of_a_split_2017_before_2016(davis, split, names):
    sequences = open_dataset(davis, split)
    assert [sequence.name for sequence in sequences] == names
    assert sequences[0].frame_names == NAMES


def test_objects_are_those_of_the_first_mask(davis, ids, put_masks):
    put_masks(davis / "Annotations/480p/camel", {"00001": ids(1, 2, 3)})
    camel, _ = open_dataset(davis, "val")
    assert camel.objects == {1: 0, 2: 0}
    np.testing.assert_array_equal(camel.ids(1), ids(1, 2, 3))


def test_the_black_and_white_masks_of_2016_are_object_1(davis, ids):
    for name in NAMES:
        Image.fromarray(ids(1) * np.uint8(255)).save(davis / f"Annotations/480p/bear/{name}.png")
    [bear] = open_dataset(davis, "train")
    assert bear.objects == {1: 0}
    assert bear.ids(2).max() == 1


def test_without_480p_the_pictures_of_full_resolution_are_read(davis):
    for kind in ("JPEGImages", "Annotations"):
        (davis / kind / "480p").rename(davis / kind / "Full-Resolution")
    assert len(open_dataset(davis, "val")) == 2


def test_the_splits_there_are_are_named(davis):
    with pytest.raises(InputError, match="name one: its splits are train, val, trainval"):
        open_dataset(davis)
    with pytest.raises(InputError, match="no split 'test-dev'; its splits are train, val, trainval"):
        open_dataset(davis, "test-dev")


def test_of_a_test_split_only_the_first_masks_are_public(davis):
    for name in NAMES[1:]:
        (davis / f"Annotations/480p/bear/{name}.png").unlink()
    [bear] = open_dataset(davis, "train")
    assert bear.objects == {1: 0}
    assert bear.ids(1) is None


def no_lists(davis):
    for file in davis.glob("ImageSets/*/*.txt"):
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_lists, r"has no lists of sequences; ImageSets/2017/val\.txt"),
        (lambda davis: (davis / "ImageSets/2017/val.txt").write_text("\n"), r"val\.txt is empty"),
        (
            lambda davis: (davis / "ImageSets/2017/val.txt").write_text("boat\n"),
            r"val\.txt names boat, but there is no",
        ),
        (lambda davis: (davis / "Annotations/480p/camel/00001.png").unlink(), "frame 00001 of camel has no mask"),
        (lambda davis: (davis / "JPEGImages/480p/camel/00001.jpg").unlink(), r"00001\.png has no frame 00001"),
        (lambda davis: (davis / "Annotations/480p/camel").rename(davis / "camel"), "folder of masks .* does not exist"),
    ],
)
def test_a_broken_data_set_is_refused_by_name(davis, damage, words):
    damage(davis)
    with pytest.raises(InputError, match=words):
        open_dataset(davis, "val")


def test_a_frame_that_a_list_of_files_names_must_be_there(davis):
    (davis / "JPEGImages/480p/bear/00002.jpg").unlink()
    (davis / "Annotations/480p/bear/00002.png").unlink()
    with pytest.raises(InputError, match=r"trainval\.txt names frame 00002 of bear"):
        open_dataset(davis, "trainval")


@pytest.mark.parametrize("name", ["..", ".", "/", "a" * 5000, "bear\0", "\x1b[31m"])
def test_a_list_that_names_what_is_no_folder_of_pictures_is_refused(davis, name):
    (davis / "ImageSets/2017/val.txt").write_text(f"{name}\n")
    with pytest.raises(InputError, match=r"but there is no folder|holds no frames") as refusal:
        open_dataset(davis, "val")
    assert str(refusal.value).isprintable()


def test_a_list_that_is_no_text_is_refused(davis):
    (davis / "ImageSets/2017/val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"val\.txt is no text that can be read"):
        open_dataset(davis, "val")
