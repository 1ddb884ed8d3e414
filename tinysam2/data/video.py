"""Video files, read with PyAV: checked to be whole when opened, then decoded one frame at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinysam2.core.errors import InputError

# FFmpeg opens pictures and text files too, as videos of one frame.
PICTURE_FORMATS = ("image2", "_pipe")
TEXT_CODECS = ("ansi", "bintext", "idf", "xbin")
FALLBACK_FRAMES_PER_SECOND = 24.0
SECONDS_TOLERANCE = 0.5
LARGEST_FRAME = 2**26
"""Pixels: twice those of 8K. A larger frame would fill the memory."""


@dataclass(frozen=True)
class Video:
    """A video file that was whole when opened; width and height are in pixels, of the upright frames."""

    path: Path
    width: int
    height: int
    frames_per_second: float
    frame_count: int | None

    def read_frames(self) -> Iterator[np.ndarray]:
        """Yields each frame [height, width, 3] uint8 RGB.

        Raises InputError at a frame that is damaged or of another size, or where frames lack at the end.
        """
        index = -1
        for index, frame in enumerate(_decode(self.path)):
            self.check_size(index, frame)
            yield frame
        if self.frame_count is not None and index + 1 < self.frame_count:
            raise InputError(
                f"{self.path} is damaged: only {index + 1} of its {self.frame_count} frames can be decoded; "
                "name a whole video file"
            )

    def check_size(self, index: int, frame: np.ndarray) -> None:
        """Raises InputError where a frame is of another size than the first."""
        height, width = frame.shape[:2]
        if (width, height) != (self.width, self.height):
            raise InputError(
                f"frame {index} of {self.path} is {width}x{height}, but the first is "
                f"{self.width}x{self.height}; all frames of a clip must have one size"
            )


def open_video(path: Path) -> Video:
    """The video in a file; its packets are counted and its first frame decoded.

    Raises InputError when the file is empty, not a video, without a video stream, cut short or damaged.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path} is an empty file; name a video file or a folder of frames")
    contents = _take_stock(path)
    _check_whole(path, contents)
    first = next(_decode(path), None)
    if first is None:
        raise InputError(f"{path} is damaged or cut short: no frame in it can be decoded; name a whole video file")
    return Video(
        path,
        width=first.shape[1],
        height=first.shape[0],
        frames_per_second=contents.frames_per_second,
        frame_count=contents.shown if contents.declared else None,
    )


def _decode(path: Path) -> Iterator[np.ndarray]:

    index = 0
    with open_container(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                yield upright(frame)
                index += 1
        except Exception as error:  # PyAV raises many kinds for damaged contents
            raise read_error(path, index) from error


def upright(frame) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a decoded frame."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))


def read_error(path: Path, index: int) -> InputError:
    """What is raised at a frame that cannot be decoded."""
    return InputError(
        f"frame {index} of {path} cannot be decoded: the file is damaged or cut short; name a whole video file"
    )


@dataclass(frozen=True)
class _Contents:
    """What a container declares (0: it does not say) and what reading it through, without decoding, found.

    Frames: declared; packets, one a frame and whole; shown, which leaves out those trimmed away.
    """

    frames_per_second: float
    declared: int
    packets: int
    shown: int
    declared_seconds: float
    seconds: float


def _take_stock(path: Path, **options: str) -> _Contents:
    import av

    packets = shown = 0
    seconds = 0.0
    with open_container(path, **options) as container:
        stream = video_stream(container, path)
        try:
            rate = float(stream.average_rate or stream.guessed_rate or FALLBACK_FRAMES_PER_SECOND)
            for packet in container.demux():
                if not packet.size:
                    continue
                if packet.pts is not None:
                    seconds = max(seconds, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index == stream.index:
                    packets += not packet.is_corrupt
                    shown += not packet.is_discard
        except Exception as error:  # PyAV raises many kinds for damaged contents
            raise _cut_short(path, f"reading stops after {packets} frames") from error
        declared_seconds = (container.duration or 0) / av.time_base
        return _Contents(rate, stream.frames, packets, shown, declared_seconds, seconds)


def _check_whole(path: Path, found: _Contents) -> None:
    if found.packets < found.declared:
        # A trimmed recording keeps the samples outside its edit list, and FFmpeg passes over them.
        found = _take_stock(path, ignore_editlist="1")
        if found.packets < found.declared:
            raise _cut_short(path, f"it declares {found.declared} frames and holds {found.packets}")
    # WebM and Matroska count no frames, but a cut file ends long before the time that its header gives.
    declared_seconds = 0.0 if found.declared else found.declared_seconds
    if declared_seconds - found.seconds > SECONDS_TOLERANCE:
        raise _cut_short(path, f"it declares {declared_seconds:.1f} s and ends at {found.seconds:.1f} s")


def open_container(path: Path, **options: str):
    """The file as PyAV's container. Raises InputError where it is not a video that can be read."""
    import av

    try:
        # The absolute name and the whitelist keep FFmpeg from the network, whatever a name or playlist says.
        return av.open(str(path.resolve()), options={"protocol_whitelist": "file", **options})
    except Exception as error:  # PyAV raises many kinds for damaged contents
        raise InputError(
            f"{path} is not a video that can be read: it is another kind of file, or damaged or cut short; "
            "name a whole video file"
        ) from error


def video_stream(container, path: Path):
    """A container's video. Raises InputError where it is a picture or text, or holds none."""
    from av.stream import Disposition

    if container.format.name.endswith(PICTURE_FORMATS):
        raise InputError(f"{path} is a single picture; name a video file or a folder of frames")
    # The cover picture of a song is a video stream to FFmpeg.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise InputError(f"{path} has no video stream; name a video file or a folder of frames")
    codec = streams[0].codec_context
    if codec is None:
        raise InputError(f"{path} is in a video format that FFmpeg does not know; name an H.264 or HEVC video")
    if codec.width * codec.height > LARGEST_FRAME:
        raise InputError(f"{path} is {codec.width}x{codec.height}; a frame has at most {LARGEST_FRAME} pixels")
    if codec.name in TEXT_CODECS:
        raise InputError(f"{path} is a text file; name a video file or a folder of frames")
    return streams[0]


def _cut_short(path: Path, finding: str) -> InputError:
    return InputError(f"{path} is cut short: {finding}; name a whole video file")
