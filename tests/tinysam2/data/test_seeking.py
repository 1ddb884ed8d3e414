"""Frames of a video in any order are those of decoding it in order, and cost the way from a keyframe only."""

import av
import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.data import seeking
from tinysam2.data.seeking import DecodedFrames
from tinysam2.data.video import open_video

FRAMES, GOP, SIZE = 40, 8, (64, 48)
FRAME_BYTES = 3 * SIZE[0] * SIZE[1]


@pytest.fixture
def make(tmp_path):
    """A video of noise that moves, by codec, with these options of the encoder."""

    def write(name="video.mp4", codec="libx264", **options):
        path, rng = tmp_path / name, np.random.default_rng(0)
        noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=24, options={"g": str(GOP), **options})
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            for index in range(FRAMES):
                picture = np.roll(noise, 2 * index, axis=1) // 2 + 2 * index
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")))
            container.mux(stream.encode())
        return open_video(path)

    return write


@pytest.fixture
def decoded(monkeypatch):
    """Counts the frames that are decoded."""
    count = [0]
    upright = seeking.upright

    def counting(frame):
        count[0] += 1
        return upright(frame)

    monkeypatch.setattr(seeking, "upright", counting)
    return count


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("plain.mp4", "libx264", {"bf": "0"}),
        ("b-frames.mp4", "libx264", {"bf": "3"}),
        ("open-gop.mp4", "libx264", {"bf": "3", "x264-params": "open-gop=1:scenecut=0"}),
        ("short-gop.mp4", "libx264", {"g": "2", "bf": "2"}),
        ("one-gop.mp4", "libx264", {"g": "999", "bf": "2"}),
        ("b-frames.mkv", "libx264", {"bf": "3"}),
        ("mpeg4.avi", "mpeg4", {"bf": "2"}),
        ("mpeg4.mp4", "mpeg4", {"bf": "2"}),
    ],
)
@pytest.mark.parametrize("cache_bytes", [0, 5 * FRAME_BYTES])
def test_every_frame_in_random_order_equals_sequential_decoding_to_the_bit(make, name, codec, options, cache_bytes):
    video = make(name, codec, **options)
    wanted = list(video.read_frames())
    assert len(wanted) == FRAMES
    frames = DecodedFrames(cache_bytes)
    for index in np.random.default_rng(1).permutation(FRAMES).tolist():
        assert np.array_equal(frames.frame(video, index), wanted[index]), index


def test_a_frame_costs_at_most_the_way_from_its_keyframe(make, decoded):
    video = make(bf="3")
    frames = DecodedFrames(cache_bytes=0)
    for index in reversed(range(FRAMES)):
        frames.frame(video, index)
    # From the start each would cost index + 1, together FRAMES * (FRAMES + 1) / 2 = 820.
    assert decoded[0] == FRAMES * (GOP + 1) / 2


def test_in_order_each_frame_is_decoded_once(make, decoded):
    video = make(bf="3")
    frames = DecodedFrames(cache_bytes=0)
    for index in range(FRAMES):
        frames.frame(video, index)
    assert decoded[0] == FRAMES


def test_backwards_within_the_cache_each_frame_is_decoded_once(make, decoded):
    video = make(bf="3")
    frames = DecodedFrames(cache_bytes=2 * GOP * FRAME_BYTES)
    for index in reversed(range(FRAMES)):
        frames.frame(video, index)
    assert decoded[0] == FRAMES


def test_videos_share_one_limit(make):
    first, second = make("a.mp4"), make("b.mp4")
    frames = DecodedFrames(cache_bytes=3 * FRAME_BYTES, open_files=1)
    for index in range(4):
        frames.frame(first, index)
        frames.frame(second, index)
        assert frames.bytes <= 3 * FRAME_BYTES


def test_a_frame_that_is_kept_cannot_be_changed(make):
    with pytest.raises(ValueError, match="read-only"):
        DecodedFrames().frame(make(), 0)[:] = 0


def test_a_frame_after_the_end_is_refused(make):
    with pytest.raises(InputError, match=r"video\.mp4 ends before frame 40; name a whole video file"):
        DecodedFrames().frame(make(), FRAMES)
