"""A data set's layout is recognised, a split is chosen, and what is neither is refused with what there is."""

import numpy as np
import pytest
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.datasets import LAYOUTS, open_dataset

NAMES = ("00000", "00001", "00002")


@pytest.fixture
def pond(tmp_path, ids, put_frames, put_masks):
    """A data set of one plain sequence, `pond`."""
    put_frames(tmp_path / "pond/frames", NAMES)
    put_masks(tmp_path / "pond/masks", dict.fromkeys(NAMES, ids(1)))
    return tmp_path


def test_each_folder_with_frames_and_masks_is_a_sequence(pond, put_frames, put_masks, ids):
    put_frames(pond / "lake/frames", NAMES, suffix=".png")
    put_masks(pond / "lake/masks", dict.fromkeys(NAMES, ids(4, 2)))
    (pond / ".cache").mkdir()
    (pond / "README.md").write_text("no sequence")
    lake, sequence = open_dataset(pond)
    assert [lake.name, sequence.name] == ["lake", "pond"]
    assert lake.frame_names == NAMES
    assert lake.objects == {2: 0, 4: 0}
    assert len(lake) == 3
    np.testing.assert_array_equal(lake.frame(2), np.full((6, 10, 3), 20, np.uint8))
    np.testing.assert_array_equal(lake.ids(1), ids(4, 2))


def test_one_sequences_folder_is_a_data_set_of_one(pond):
    [sequence] = open_dataset(pond / "pond")
    assert (sequence.name, sequence.objects) == ("pond", {1: 0})


def test_frames_are_in_natural_order(tmp_path, put_frames, put_masks, ids):
    put_frames(tmp_path / "pond/frames", ["10", "9", "1"])
    put_masks(tmp_path / "pond/masks", {"9": ids(1)})
    [sequence] = open_dataset(tmp_path)
    assert sequence.frame_names == ("1", "9", "10")
    assert sequence.objects == {1: 1}


def test_a_frame_without_a_mask_is_not_annotated_and_objects_begin_where_they_are_first_seen(
    tmp_path, put_frames, put_masks, ids
):
    put_frames(tmp_path / "pond/frames", ["0", "1", "2", "3"])
    put_masks(tmp_path / "pond/masks", {"0": ids(), "1": ids(3, 255), "3": ids(2, 3)})
    [sequence] = open_dataset(tmp_path)
    assert sequence.ids(2) is None
    assert sequence.objects == {2: 3, 3: 1}


def test_a_folder_of_data_sets_has_them_as_splits(tmp_path, put_frames, put_masks, ids):
    for split in ("train", "val"):
        put_frames(tmp_path / split / "pond/frames", NAMES)
        put_masks(tmp_path / split / "pond/masks", dict.fromkeys(NAMES, ids(1)))
    [sequence] = open_dataset(tmp_path, "val")
    assert sequence.name == "pond"
    with pytest.raises(InputError, match="has several splits; name one: its splits are train, val"):
        open_dataset(tmp_path)
    with pytest.raises(InputError, match="has no split 'test'; its splits are train, val"):
        open_dataset(tmp_path, "test")


def test_a_split_of_a_data_set_without_any_is_refused(pond):
    with pytest.raises(InputError, match="has no splits, so none is 'val'"):
        open_dataset(pond, "val")


def test_a_layout_can_be_told(pond):
    assert len(open_dataset(pond, layout="plain")) == 1
    with pytest.raises(InputError, match="no data set that can be read; one holds JPEGImages/480p"):
        open_dataset(pond, layout="davis")
    with pytest.raises(InputError, match="unknown layout 'coco'; the layouts are plain, davis, youtube-vos, sav"):
        open_dataset(pond, layout="coco")


def test_what_is_no_data_set_is_refused_with_every_layout(tmp_path):
    with pytest.raises(InputError) as refused:
        open_dataset(tmp_path)
    for layout in LAYOUTS.values():
        assert layout.looks in str(refused.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file; name a folder"):
        open_dataset(tmp_path / "file")
    with pytest.raises(InputError, match="absent does not exist; name a folder"):
        open_dataset(tmp_path / "absent")


def a_mask_without_a_frame(folder):
    (folder / "frames/00001.jpg").unlink()


def two_pictures_of_one_frame(folder):
    Image.new("RGB", (10, 6)).save(folder / "frames/00001.png")


def no_frames(folder):
    for path in (folder / "frames").iterdir():
        path.unlink()


def no_masks(folder):
    for path in (folder / "masks").iterdir():
        path.unlink()


def a_sequence_beside_it_without_frames(folder):
    (folder.parent / "lake/masks").mkdir(parents=True)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (a_mask_without_a_frame, r"masks/00001\.png has no frame 00001"),
        (two_pictures_of_one_frame, r"frames holds both 00001\.jpg and 00001\.png"),
        (no_frames, "frames holds no frames"),
        (no_masks, "masks holds no masks"),
        (a_sequence_beside_it_without_frames, "lake/frames does not exist"),
    ],
)
def test_a_sequence_that_is_not_whole_is_refused_when_the_data_set_is_opened(pond, damage, words):
    damage(pond / "pond")
    with pytest.raises(InputError, match=words):
        open_dataset(pond)


def test_pixels_are_checked_when_they_are_read(pond, put_frames, put_masks, ids):
    [sequence] = open_dataset(pond)
    put_frames(pond / "pond/frames", ["00001"], size=(5, 10))
    with pytest.raises(InputError, match=r"masks/00001\.png is 10x6, but the frames are 10x5"):
        sequence.ids(1)
    (pond / "pond/frames/00002.jpg").write_bytes(b"no picture")
    for read in (sequence.frame, sequence.ids):
        with pytest.raises(InputError, match=r"frames/00002\.jpg is damaged"):
            read(2)
    whole = (pond / "pond/frames/00000.jpg").read_bytes()
    (pond / "pond/frames/00000.jpg").write_bytes(whole[:-40])
    with pytest.raises(InputError, match=r"frames/00000\.jpg is damaged"):
        sequence.frame(0)


def test_a_picture_of_sixteen_bits_is_refused(pond):
    [sequence] = open_dataset(pond)
    (pond / "pond/frames/00000.jpg").unlink()
    Image.new("I;16", (10, 6)).save(pond / "pond/frames/00000.jpg", format="PNG")
    with pytest.raises(InputError, match=r"00000\.jpg has mode I;16"):
        sequence.frame(0)


def test_a_sequence_without_any_object_is_refused(tmp_path, put_frames, put_masks, ids):
    put_frames(tmp_path / "pond/frames", NAMES)
    put_masks(tmp_path / "pond/masks", dict.fromkeys(NAMES, ids(255)))
    [sequence] = open_dataset(tmp_path)
    with pytest.raises(InputError, match="the sequence pond has no object"):
        _ = sequence.objects


def test_the_real_clips_are_read(shared_data):
    sequences = {sequence.name: sequence for sequence in open_dataset(shared_data / "multi-object")}
    assert {name: len(sequence.objects) for name, sequence in sequences.items()} == {
        "chair": 1,
        "dogs-jump": 3,
        "schoolgirls": 7,
    }
    dogs = sequences["dogs-jump"]
    assert dogs.frame(65).shape == (240, 432, 3)
    assert dogs.ids(65).shape == (240, 432)
    assert len(open_dataset(shared_data / "davis2016", "val")) == 10
