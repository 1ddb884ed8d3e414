import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest


def textured(index: int, width: int, height: int) -> np.ndarray:
    """A frame [H, W, 3] whose mean brightness gives its index away: 5 * index."""
    grain = np.random.default_rng(index).integers(-4, 5, (height, width, 1))
    return np.clip(np.full((height, width, 3), 5 * index) + grain, 0, 255).astype(np.uint8)


@pytest.fixture
def make_video(tmp_path) -> Callable[..., Path]:
    """Writes a video of `frames` textured frames, or of the given ones."""

    def make(
        name="clip.mp4",
        frames=30,
        size=(64, 48),
        codec="libx264",
        rate=25,
        rotation=0,
        movflags="",
        b_frames=2,
        gop=12,
    ) -> Path:
        path = tmp_path / name
        pictures = [textured(i, *size) for i in range(frames)] if isinstance(frames, int) else frames
        with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
            stream = container.add_stream(codec, rate=rate)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.max_b_frames = b_frames
            stream.codec_context.gop_size = gop
            if rotation:
                stream.set_display_rotation(rotation)
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def trim() -> Callable[[Path, int], None]:
    """Hides the first frames of an .mp4 by its edit list, as a phone's trimming does: the samples stay."""

    def hide(path: Path, ticks: int) -> None:
        contents = bytearray(path.read_bytes())
        # elst: type, version and flags, number of entries, then duration, media time and rate for each.
        entry = contents.index(b"elst") + 12
        duration, media_time = struct.unpack_from(">Ii", contents, entry)
        struct.pack_into(">Ii", contents, entry, duration, media_time + ticks)
        path.write_bytes(contents)

    return hide
