"""Pictures and videos that show masks: objects tinted and outlined."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from tinysam2.core.files import atomic_path, check_output_file
from tinysam2.data.masks import palette

if TYPE_CHECKING:
    from av.video.stream import VideoStream


def draw_overlay(frame: np.ndarray, ids: np.ndarray, opacity: float = 0.4, contour: int = 2) -> np.ndarray:
    """The frame with each object tinted and outlined in its own colour.

    frame: [H, W, 3] uint8 RGB; ids: [H, W] object ids, 0 the background; opacity: of the tint, 0 to 1;
    contour: width of the outline in pixels, half of it inside the object.
    Returns a new [H, W, 3] uint8 array. Raises ValueError when frame and ids differ in size.
    """
    if frame.shape != (*ids.shape, 3):
        raise ValueError(f"frame is {frame.shape} and ids {ids.shape}; they must be [H, W, 3] and [H, W]")
    ids = ids.astype(np.uint8)
    colours = overlay_colours()
    drawn = frame.copy()
    inside = ids > 0
    weight = round(opacity * 256)
    tint = colours[ids[inside]].astype(np.uint16)
    drawn[inside] = (frame[inside] * np.uint16(256 - weight) + tint * np.uint16(weight)) >> 8
    outline = _outline(ids, contour)
    drawn[outline > 0] = colours[outline[outline > 0]]
    return drawn


def overlay_colours() -> np.ndarray:
    """The palette [256, 3] uint8 RGB, brightened: DAVIS's own dark red is lost on a dark frame."""
    return np.rint((palette() / 255) ** 0.35 * 255).astype(np.uint8)


class VideoWriter:
    """Writes frames to an .mp4 file (H.264, or MPEG-4 where FFmpeg lacks x264), whole or not at all.

    Use as a context manager. The size is the first frame's; an odd side grows by one repeated row or column.
    Raises InputError where the file cannot be written, ValueError for a frame of another size or no frame.
    """

    def __init__(self, path: str | Path, frames_per_second: float):
        self.path = check_output_file(path)
        self.rate = Fraction(frames_per_second).limit_denominator(1001)
        self._cleanup = ExitStack()
        self._stream: VideoStream | None = None

    def __enter__(self) -> "VideoWriter":
        import av

        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._container = stack.enter_context(
                av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"})
            )
            stack.push(self._finish)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *exception) -> bool | None:
        return self._cleanup.__exit__(*exception)

    def write(self, frame: np.ndarray) -> None:
        """Appends a frame [H, W, 3] uint8 RGB."""
        import av

        if self._stream is None:
            self._shape = frame.shape
            self._stream = self._add_stream(*frame.shape[:2])
        if frame.shape != self._shape:
            raise ValueError(f"the frame is {frame.shape}, but the first is {self._shape}; all must be equal")
        even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(even, format="rgb24")
        self._container.mux(self._stream.encode(picture.reformat(format="yuv420p", dst_colorspace="ITU709")))

    def _add_stream(self, height: int, width: int) -> "VideoStream":
        import av
        from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

        if "libx264" in av.codecs_available:
            stream = self._container.add_stream("libx264", rate=self.rate, options={"crf": "18"})
        else:
            stream = self._container.add_stream("mpeg4", rate=self.rate, options={"qscale": "3"})
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        # Untagged, a player would guess the colour matrix by the size of the picture.
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_primaries = ColorPrimaries.BT709
        stream.codec_context.color_trc = ColorTrc.BT709
        stream.codec_context.color_range = ColorRange.MPEG
        return stream

    def _finish(self, exception_type, *_) -> None:
        if exception_type is not None:
            return
        if self._stream is None:
            raise ValueError(f"no frame was written to {self.path}")
        self._container.mux(self._stream.encode(None))


def _outline(ids: np.ndarray, width: int) -> np.ndarray:
    """The id [H, W] of the object whose outline covers a pixel, 0 elsewhere."""
    cross = ndimage.generate_binary_structure(2, 1)
    core, grown = ids, ids
    for _ in range((width + 1) // 2):
        core = np.where(ndimage.morphological_gradient(core, footprint=cross) == 0, core, 0)
    for _ in range(width // 2):
        grown = np.where(grown > 0, grown, ndimage.grey_dilation(grown, footprint=cross))
    return np.where(core > 0, 0, grown)
