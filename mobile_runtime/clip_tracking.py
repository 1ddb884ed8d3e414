"""A clip and prompts to masks and an overlay video, one frame at a time."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path, check_output_file, check_output_folder
from tinysam2.data.clips import Clip
from tinysam2.data.masks import write_mask
from tinysam2.data.overlay import VideoWriter, draw_overlay
from tinysam2.data.prompts import FramePrompts
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker

OVERLAY = "overlay.mp4"
VIDEO_SUFFIXES = {".avi", ".gif", ".m4v", ".mkv", ".mov", ".webm"}


@dataclass(frozen=True)
class TrackedClip:
    """What tracking a clip came to.

    objects: all that were prompted. milliseconds_per_frame: all programs and objects, without reading and writing;
    the mean over all frames with an object but the first, which warms up. bank_bytes: the most that all objects took
    at once, in the backend's own dtype.
    """

    frames: int
    objects: int
    milliseconds_per_frame: float
    bank_bytes: int


def check_tracking_output(output: Path) -> None:
    """Raises InputError where `output` can be neither an .mp4 file nor a folder that may be replaced."""
    if is_video(output):
        check_output_file(output)
    elif output.suffix.lower() in VIDEO_SUFFIXES:
        raise InputError(f"the output {output} is a {output.suffix} file; name an .mp4 file or a folder")
    else:
        check_output_folder(output, former_output=OVERLAY)


def is_video(output: Path) -> bool:
    """Whether the output is the overlay video alone."""
    return output.suffix.lower() == ".mp4"


def track_clip(
    backend: Backend,
    clip: Clip,
    prompts: Mapping[int, FramePrompts],
    output: Path,
    watch: Callable[[Iterable[np.ndarray], str, int | None], Iterable[np.ndarray]] = lambda frames, *_: frames,
) -> TrackedClip:
    """Tracks what is prompted on a clip's frames, in constant memory, and writes results to `output`.

    prompts: by frame, counted from 0. A frame on which no object has begun, or all are removed, has an empty mask.
    An .mp4 file gets the overlay video; a folder gets it too, beside an index PNG mask a frame. Either
    appears whole or not at all. watch: passes frames on; it gets the name of the step and the number of frames, None
    where that is not known. Raises InputError at a frame that cannot be read, and where the clip ends
    before a frame that is prompted.
    """
    tracker, frames, bank_bytes = Tracker(backend), 0, 0
    seconds: list[float] = []
    with one_thread(), _results(output, clip.frames_per_second) as write:
        for frame in watch(clip, f"tracking {clip.name}", clip.frame_count):
            asked = prompts.get(frames, FramePrompts())
            for object_id in asked.removed:
                tracker.remove(object_id)
            if tracker.banks or asked.prompts:
                started = time.perf_counter()
                tracked = tracker.track(frame, asked.prompts)
                seconds.append(time.perf_counter() - started)
            else:
                tracked = TrackedFrame({}, clip.width, clip.height)
            bank_bytes = max(bank_bytes, tracker.bank_bytes)
            write(frames, frame, tracked.ids)
            frames += 1
        if (last := max(prompts, default=0)) >= frames:
            raise InputError(f"frame {last} is prompted, but {clip.name} has {frames} frames; name an earlier frame")
    measured = seconds[1:] or seconds
    objects = {object_id for asked in prompts.values() for object_id in asked.prompts}
    milliseconds = 1000 * sum(measured) / max(len(measured), 1)
    return TrackedClip(frames, len(objects), round(milliseconds, 2), bank_bytes)


@contextmanager
def _results(output: Path, frames_per_second: float) -> Iterator[Callable[[int, np.ndarray, np.ndarray], None]]:
    """A function that takes each frame's index, picture and object ids, and writes what is wanted of them."""
    with ExitStack() as stack:
        folder = None
        if not is_video(output):
            folder = stack.enter_context(atomic_path(output))
            folder.mkdir()
        video = stack.enter_context(VideoWriter(folder / OVERLAY if folder else output, frames_per_second))

        def write(index: int, frame: np.ndarray, ids: np.ndarray) -> None:
            video.write(draw_overlay(frame, ids))
            if folder:
                write_mask(folder / f"{index:05d}.png", ids)

        yield write
