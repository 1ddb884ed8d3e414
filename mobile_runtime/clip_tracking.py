"""A clip and prompts to masks and an overlay video, one frame at a time."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, check_output_folder
from tinysam2.data.clips import Clip
from tinysam2.data.prompts import FramePrompts
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.clip_pipeline import (
    OVERLAY,
    EncodedFrame,
    Pipeline,
    Prompts,
    Write,
    encoded_frames,
    frames_of_stage,
    is_video,
    results,
    results_of_stage,
)
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker

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


def track_clip(
    backend: Backend,
    clip: Clip,
    prompts: Prompts,
    output: Path,
    watch: Callable[[Iterable[EncodedFrame], str, int | None], Iterable[EncodedFrame]] = lambda frames, *_: frames,
    pipeline: Pipeline | None = None,
) -> TrackedClip:
    """Tracks what is prompted on a clip's frames, in constant memory, and writes results to `output`.

    prompts: by frame, counted from 0. A frame on which no object has begun, or all are removed, has an empty mask.
    An .mp4 file gets the overlay video; a folder gets it too, beside an index PNG mask a frame. Either
    appears whole or not at all. watch: passes frames on; it gets the name of the step and the number of frames, None
    where that is not known. pipeline: takes reading, encoding and writing off this process, to the same masks.
    Raises InputError at a frame that cannot be read, and where the clip ends before a frame that is prompted.
    """
    tracker, frames, bank_bytes = Tracker(backend), 0, 0
    seconds: list[float] = []
    with one_thread(), _writing(output, clip, pipeline) as write:
        encoded = _encoded(tracker, clip, prompts, pipeline)
        for frame in watch(encoded, f"tracking {clip.name}", clip.frame_count):
            asked = prompts.get(frames, FramePrompts())
            for object_id in asked.removed:
                tracker.remove(object_id)
            if frame.features is not None:
                started = time.perf_counter()
                tracked = tracker.track(frame.picture, asked.prompts, frame.features)
                seconds.append(frame.seconds + time.perf_counter() - started)
            else:
                tracked = TrackedFrame({}, clip.width, clip.height)
            bank_bytes = max(bank_bytes, tracker.bank_bytes)
            write(frames, frame.picture, tracked.ids)
            frames += 1
        if (last := max(prompts, default=0)) >= frames:
            raise InputError(f"frame {last} is prompted, but {clip.name} has {frames} frames; name an earlier frame")
    measured = seconds[1:] or seconds
    objects = {object_id for asked in prompts.values() for object_id in asked.prompts}
    milliseconds = 1000 * sum(measured) / max(len(measured), 1)
    return TrackedClip(frames, len(objects), round(milliseconds, 2), bank_bytes)


def _encoded(tracker: Tracker, clip: Clip, prompts: Prompts, pipeline: Pipeline | None) -> Iterator[EncodedFrame]:
    if pipeline is None or tracker.backend.loader() is None:
        return encoded_frames(tracker, clip, prompts)
    return frames_of_stage(pipeline.encoder, tracker.backend, clip, prompts)


def _writing(output: Path, clip: Clip, pipeline: Pipeline | None) -> AbstractContextManager[Write]:
    if pipeline is None:
        return results(output, clip.frames_per_second)
    return results_of_stage(pipeline.writer, output, clip.frames_per_second)
