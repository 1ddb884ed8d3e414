"""Damaged pictures, masks, videos and JSON are refused with an InputError, or read as something valid."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.mutations import DEEP, changed_json, damaged, read_or_refuse
from tinysam2.data.clips import Clip, read_picture
from tinysam2.data.datasets.sav import read_masklets
from tinysam2.data.datasets.youtube_vos import _read_meta
from tinysam2.data.masks import palette, read_mask
from tinysam2.data.overlay import VideoWriter
from tinysam2.data.prompts_file import prompts_by_frame, read_prompts_file
from tinysam2.data.seeking import DecodedFrames
from tinysam2.data.video import open_video

FEW = settings(max_examples=60, deadline=None, derandomize=True)
FRAMES = 6
CLIP = Clip("pond", 24, 16, 24.0, 4, lambda: iter(()))

PROMPTS = [
    {"frame": 0, "object": 1, "points": [[4, 3], [5, 6, 0]], "box": [1, 2, 9, 9]},
    {"frame": 1, "object": 2, "mask": "mask.png"},
    {"frame": 3, "object": 1, "remove": True},
]
MASKLETS = {
    "video_frame_count": 2.0,
    "video_height": 16.0,
    "video_width": 24.0,
    "masklet_id": [0, 1],
    "masklet": [[{"size": [16, 24], "counts": "T24<00000l7"}, {"size": [16, 24], "counts": "P<"}]],
}
META = {"videos": {"pond": {"objects": {"1": {"category": "duck", "frames": ["00000", "00005"]}}}}}


def png() -> bytes:
    image = Image.fromarray((np.arange(16 * 24).reshape(16, 24) % 3).astype(np.uint8), "P")
    image.putpalette(palette().tobytes())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(16 * 24 * 3, dtype=np.uint8).reshape(16, 24, 3)).save(file, "JPEG")
    return file.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A bomb: a header of that size and a few bytes of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def mp4(scratch) -> bytes:
    path = scratch / "whole.mp4"
    with VideoWriter(path, 24) as writer:
        for index in range(FRAMES):
            writer.write(np.full((32, 48, 3), 20 * index, np.uint8))
    return path.read_bytes()


@FEW
@given(content=damaged(png()))
def test_a_damaged_mask_is_refused_or_a_mask(scratch, content):
    ids = read_or_refuse(lambda path: read_mask(path, allow_empty=True), scratch / "a.png", content)
    assert ids is None or (ids.dtype == np.uint8 and ids.ndim == 2 and ids.size)


@FEW
@given(content=damaged(png()) | damaged(jpeg()))
def test_a_damaged_picture_is_refused_or_a_picture(scratch, content):
    picture = read_or_refuse(read_picture, scratch / "a.jpg", content)
    assert picture is None or (picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3)


@pytest.mark.parametrize("size", [(20_000, 20_000), (2**31 - 1, 2**31 - 1), (0, 5)])
@pytest.mark.parametrize("read", [read_mask, read_picture])
def test_a_picture_that_claims_a_huge_or_no_size_is_refused(scratch, read, size):
    assert read_or_refuse(read, scratch / "bomb.png", png_of_size(*size)) is None


@settings(FEW, max_examples=40)
@given(data=st.data())
def test_a_damaged_video_is_refused_or_its_frames_have_one_size(scratch, mp4, data):
    def read(path):
        video = open_video(path)
        shapes = {frame.shape for frame in video.read_frames()}
        shapes.add(DecodedFrames().frame(video, 1).shape)
        return video, shapes

    found = read_or_refuse(read, scratch / "a.mp4", data.draw(damaged(mp4)))
    if found:
        video, shapes = found
        assert shapes == {(video.height, video.width, 3)}


@pytest.mark.parametrize(
    ("place", "what"),
    [(b"avc1", "codec"), (b"avcC", "its settings"), (b"stts", "times"), (b"trak", "track"), (b"stsd", "samples")],
)
def test_a_video_whose_parts_have_other_names_is_refused_or_read(scratch, mp4, place, what):
    assert place in mp4, what
    read_or_refuse(lambda path: list(open_video(path).read_frames()), scratch / "b.mp4", mp4.replace(place, b"zzzz"))


@FEW
@given(text=changed_json(PROMPTS))
def test_changed_prompts_are_refused_or_fit_the_clip(scratch, text):
    (scratch / "mask.png").write_bytes(png())
    found = read_or_refuse(lambda path: prompts_by_frame(read_prompts_file(path), CLIP), scratch / "p.json", text)
    for frame, prompts in (found or {}).items():
        assert 0 <= frame < CLIP.frame_count
        for prompt in prompts.prompts.values():
            prompt.check(CLIP.width, CLIP.height)


@FEW
@given(text=changed_json(MASKLETS))
def test_changed_masklets_are_refused_or_paint_masks_of_the_videos_size(scratch, text):
    def read(path):
        masklets = read_masklets(path)
        return masklets, masklets.painted(0)

    found = read_or_refuse(read, scratch / "s.json", text)
    assert found is None or found[1].shape == (found[0].height, found[0].width)


@FEW
@given(text=changed_json(META))
def test_a_changed_meta_json_is_refused_or_names_objects_from_1_to_254(scratch, text):
    found = read_or_refuse(_read_meta, scratch / "meta.json", text)
    assert found is None or all(0 < i < 255 for objects in found.values() for i in objects)


@pytest.mark.parametrize("read", [read_prompts_file, read_masklets, _read_meta])
@pytest.mark.parametrize("text", DEEP, ids=len)
def test_deep_json_is_refused(scratch, read, text):
    assert read_or_refuse(read, scratch / "deep.json", text) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"video_frame_count": 1e300},
        {"video_frame_count": -1},
        {"video_width": 10**400, "masklet": [[{"size": [16, 10**400], "counts": "P<"}] * 2]},
        {"video_width": 2e9, "video_height": 2e9, "masklet": [[{"size": [2 * 10**9, 2 * 10**9], "counts": "P<"}] * 2]},
        {"video_width": 0, "masklet": [[{"size": [16, 0], "counts": ""}] * 2]},
        {"masklet": [[5]]},
    ],
)
def test_masklets_of_a_video_that_cannot_be_are_refused(scratch, changes):
    assert read_or_refuse(read_masklets, scratch / "s.json", json.dumps({**MASKLETS, **changes})) is None


@pytest.mark.parametrize("number", ["1e400", "Infinity", "NaN"])
def test_masklets_with_a_number_that_is_not_finite_are_refused(scratch, number):
    text = json.dumps(MASKLETS).replace("2.0", number)
    assert read_or_refuse(read_masklets, scratch / "s.json", text) is None


@pytest.mark.parametrize("name", ["a" * 300, "\ud800", "a/" * 3000])
def test_a_mask_by_a_name_that_no_file_can_have_is_refused(scratch, name):
    text = json.dumps([{"frame": 0, "object": 1, "mask": name}])
    read = lambda path: prompts_by_frame(read_prompts_file(path), CLIP)  # noqa: E731
    assert read_or_refuse(read, scratch / "p.json", text) is None
