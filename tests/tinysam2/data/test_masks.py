"""Masks survive a write and a read unchanged, and every kind of PNG is either understood or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.masks import palette, read_mask, write_mask


def save(path, values, mode=None):
    image = Image.fromarray(np.asarray(values))
    (image if mode is None else image.convert(mode)).save(path)
    return path


@given(ids=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=24)))
def test_writing_then_reading_gives_the_same_ids(tmp_path_factory, ids):
    path = tmp_path_factory.mktemp("masks") / "mask.png"
    write_mask(path, ids)
    np.testing.assert_array_equal(read_mask(path, allow_empty=True), ids)


@given(object_id=st.integers(0, 255))
def test_the_palette_interleaves_the_bits_of_the_id(object_id):
    channels = [0, 0, 0]
    for position in range(8):
        channels[position % 3] |= (object_id >> position & 1) << (7 - position // 3)
    assert palette()[object_id].tolist() == channels


def test_the_palette_starts_as_davis_does():
    assert palette()[:5].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]


def test_a_written_mask_is_a_palette_png(tmp_path):
    write_mask(tmp_path / "m.png", np.array([[0, 1], [2, 200]]))
    with Image.open(tmp_path / "m.png") as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert image.getpalette() == palette().ravel().tolist()


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint8])
def test_boolean_and_integer_ids_are_written(tmp_path, dtype):
    write_mask(tmp_path / "m.png", np.array([[0, 1]], dtype))
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (np.zeros((2, 2, 3), np.uint8), r"\[H, W\]"),
        (np.zeros((0, 2), np.uint8), r"\[H, W\]"),
        (np.array([[256]]), "0 to 255"),
        (np.array([[-1]]), "0 to 255"),
        (np.array([[0.5]]), "integers"),
    ],
)
def test_what_is_not_a_mask_is_not_written(tmp_path, ids, reason):
    with pytest.raises(ValueError, match=reason):
        write_mask(tmp_path / "m.png", ids)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_former_mask_whole(tmp_path, monkeypatch):
    write_mask(tmp_path / "m.png", np.ones((2, 2), np.uint8))

    def save_half(image, path, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", save_half)
    with pytest.raises(KeyboardInterrupt):
        write_mask(tmp_path / "m.png", np.zeros((2, 2), np.uint8))
    assert read_mask(tmp_path / "m.png").all()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_palette_index_is_the_id_whatever_its_colour(tmp_path):
    image = Image.fromarray(np.array([[0, 3], [7, 255]], np.uint8)).convert("L")
    image.putpalette([10, 20, 30] * 256)
    image.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 3], [7, 255]]


def test_grey_0_and_255_is_one_object(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 255]], np.uint8))
    assert read_mask(path).tolist() == [[0, 1]]


def test_small_grey_values_are_ids(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 1, 2, 254]], np.uint8))
    assert read_mask(path).tolist() == [[0, 1, 2, 254]]


def test_soft_grey_edges_are_refused(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 90, 170, 255]], np.uint8))
    with pytest.raises(InputError, match=r"m\.png mixes 255 with 2 other grey values.*; save it with 0 and 255 only"):
        read_mask(path)


def test_white_in_a_one_bit_picture_is_object_1(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 255]], np.uint8), mode="1")
    mask = read_mask(path)
    assert (mask.tolist(), mask.dtype) == ([[0, 1]], np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_other_modes_are_refused_by_name(tmp_path, mode):
    Image.new(mode, (2, 2)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=rf"m\.png has mode {mode}; save it as P .* L .* or 1"):
        read_mask(tmp_path / "m.png")


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path):
    write_mask(tmp_path / "m.png", np.ones((2, 3), np.uint8))
    assert read_mask(tmp_path / "m.png", size=(3, 2)).shape == (2, 3)
    with pytest.raises(InputError, match=r"m\.png is 3x2, but the frames are 640x480"):
        read_mask(tmp_path / "m.png", size=(640, 480))


def test_an_empty_mask_is_refused_unless_allowed(tmp_path):
    write_mask(tmp_path / "m.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match=r"m\.png is empty"):
        read_mask(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png", allow_empty=True).any()


def test_a_missing_mask_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.png does not exist; name a PNG file"):
        read_mask(str(tmp_path / "none.png"))
    with pytest.raises(InputError, match="is a folder; name a PNG file"):
        read_mask(tmp_path)


@pytest.mark.parametrize("kept", [0, 20, 60, 0.5, 0.95])
def test_an_empty_or_truncated_mask_is_refused(tmp_path, kept):
    path = tmp_path / "m.png"
    save(path, np.random.default_rng(0).integers(0, 200, (64, 64), np.uint8))
    contents = path.read_bytes()
    path.write_bytes(contents[: int(kept * len(contents)) if kept < 1 else kept])
    with pytest.raises(InputError, match=r"m\.png is damaged or not a picture"):
        read_mask(path)


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "m.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"m\.png is damaged or not a picture; name a whole PNG file"):
        read_mask(tmp_path / "m.png")


def test_a_lossy_picture_is_refused_whatever_its_name(tmp_path):
    Image.new("L", (2, 2)).save(tmp_path / "m.png", format="JPEG")
    with pytest.raises(InputError, match=r"m\.png is a JPEG picture; save it as PNG"):
        read_mask(tmp_path / "m.png")


@pytest.mark.parametrize(
    ("folder", "ids"),
    [("davis2016/val/blackswan", {0, 1}), ("multi-object/dogs-jump", {0, 1, 2, 3})],
)
def test_the_masks_of_real_data_sets_are_read(shared_data, folder, ids):
    first = sorted((shared_data / folder / "masks").glob("*.png"))[0]
    assert set(np.unique(read_mask(first)).tolist()) == ids
