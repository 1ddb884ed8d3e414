"""Frames of video files in any order: decoded from the keyframe before them, and kept up to a limit."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.data.video import Video, open_container, read_error, upright, video_stream

CACHE_BYTES = 256 * 2**20
OPEN_FILES = 4


class DecodedFrames:
    """Decoded frames of several videos, which share one limit of bytes; what was not used longest goes first.

    cache_bytes: of frames kept; open_files: decoders kept open.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES, open_files: int = OPEN_FILES) -> None:
        self._cache_bytes, self._open_files = cache_bytes, open_files
        self._frames: OrderedDict[tuple[Path, int], np.ndarray] = OrderedDict()
        self._decoders: OrderedDict[Path, _Decoder] = OrderedDict()
        self.bytes = 0

    def frame(self, video: Video, index: int) -> np.ndarray:
        """uint8 RGB [H, W, 3], read-only; index: from 0. Equal to what decoding the video in order gives.

        Raises InputError where the video ends before it, or it is damaged or of another size than the first.
        """
        key = (video.path, index)
        if key not in self._frames:
            for number, picture in self._decoder(video).frames_to(index):
                self._keep((video.path, number), picture)
                if number == index:
                    return picture
        self._frames.move_to_end(key)
        return self._frames[key]

    def _keep(self, key: tuple[Path, int], picture: np.ndarray) -> None:
        picture.flags.writeable = False
        if key not in self._frames:
            self.bytes += picture.nbytes
        self._frames[key] = picture
        self._frames.move_to_end(key)
        while self.bytes > self._cache_bytes and self._frames:
            self.bytes -= self._frames.popitem(last=False)[1].nbytes

    def _decoder(self, video: Video) -> "_Decoder":
        if video.path not in self._decoders:
            self._decoders[video.path] = _Decoder(video)
            if len(self._decoders) > self._open_files:
                self._decoders.popitem(last=False)[1].close()
        self._decoders.move_to_end(video.path)
        return self._decoders[video.path]


class _Decoder:
    """One open video, and where in it decoding stands."""

    def __init__(self, video: Video) -> None:
        self.video = video
        self._container: Any = None
        self._keys: list[int] = []
        self._times = self._take_times()
        self._numbers = {time: number for number, time in enumerate(self._times)}
        self._open()

    def frames_to(self, index: int) -> Iterator[tuple[int, np.ndarray]]:
        """Number and picture of each frame that is decoded up to this one, which is the last."""
        if self._times and index >= len(self._times):
            raise InputError(f"{self.video.path} ends before frame {index}; name a whole video file")
        key = self._keys[bisect_right(self._keys, index) - 1] if self._keys and self._keys[0] <= index else 0
        if not key <= self._at <= index and not (key and self._seek(key)) and self._at > index:
            self._open()
        yield from self._forward(index)

    def close(self) -> None:
        self._container.close()

    def _take_times(self) -> list[int]:
        """The frames' presentation times in order, by which a frame is known after a seek, and the keyframes' numbers
        and decoding times; none where times lack or are not distinct: then frames are only counted from the start."""
        import av

        shown: list[int | None] = []
        keys: list[tuple[int, int]] = []
        with open_container(self.video.path) as container:
            stream = video_stream(container, self.video.path)
            try:
                for packet in container.demux(stream):
                    if not packet.size or packet.is_discard:
                        continue
                    shown.append(packet.pts)
                    if packet.is_keyframe and packet.pts is not None and packet.dts is not None:
                        keys.append((packet.pts, packet.dts))
            except av.FFmpegError as error:
                raise read_error(self.video.path, len(shown)) from error
        times = sorted(time for time in shown if time is not None)
        if len(times) < len(shown) or len({*times}) < len(times):
            return []
        self._decoding_times = {bisect_right(times, pts) - 1: dts for pts, dts in keys}
        self._keys = sorted(self._decoding_times)
        return times

    def _open(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = open_container(self.video.path)
        self._stream = video_stream(self._container, self.video.path)
        self._stream.thread_type = "AUTO"
        self._decoded = self._container.decode(self._stream)
        self._at = 0

    def _seek(self, key: int) -> bool:
        """Goes to a keyframe; whether decoding stands there or before it now, else at the file's start."""
        import av

        # Some formats seek by presentation time, others by decoding time, which lies before it.
        for time in (self._times[key], self._decoding_times[key]):
            try:
                self._container.seek(time, stream=self._stream, backward=True)
                first = next(packet for packet in self._container.demux(self._stream) if packet.size)
                self._container.seek(time, stream=self._stream, backward=True)
            except (av.FFmpegError, StopIteration):
                continue
            arrived = self._numbers.get(first.pts)
            # A keyframe that decoding begins at shows itself and every frame after it, and none before it.
            if arrived in self._decoding_times and arrived <= key:
                self._decoded = self._container.decode(self._stream)
                self._at = arrived
                return True
        self._open()
        return False

    def _forward(self, index: int) -> Iterator[tuple[int, np.ndarray]]:

        while self._at <= index:
            try:
                frame = next(self._decoded)
            except StopIteration:
                raise InputError(f"{self.video.path} ends before frame {index}; name a whole video file") from None
            except Exception as error:  # PyAV raises many kinds for damaged contents
                raise read_error(self.video.path, self._at) from error
            number = self._numbers.get(frame.pts, self._at) if self._times else self._at
            if number < self._at:
                continue
            if number > index:
                self._at = number + 1
                raise read_error(self.video.path, index)
            picture = upright(frame)
            self.video.check_size(number, picture)
            self._at = number + 1
            yield number, picture
