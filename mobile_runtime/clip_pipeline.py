"""A clip's frames before and after tracking: encoded and written in this process, or in stages beside it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tinysam2.core.config import PRESETS, ModelConfig, register_config
from tinysam2.core.files import atomic_path
from tinysam2.core.silencing import silenced
from tinysam2.data.clips import Clip
from tinysam2.data.masks import write_mask
from tinysam2.data.overlay import VideoWriter, draw_overlay
from tinysam2.data.prompts import FramePrompts
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import keep_on_one_thread
from tinysam2.mobile_runtime.stages import Stage
from tinysam2.mobile_runtime.tracker import Tensors, Tracker

OVERLAY = "overlay.mp4"

Write = Callable[[int, np.ndarray, np.ndarray], None]
"""Takes a frame's index, its picture and its object ids."""

Prompts = Mapping[int, FramePrompts]
"""By frame, counted from 0."""


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """A picture [H, W, 3] uint8 RGB, its features, None where there is nothing to track, and the seconds they took."""

    picture: np.ndarray
    features: Tensors | None
    seconds: float = 0.0


@dataclass(frozen=True)
class Pipeline:
    """Stages that decode and encode the next frame, and draw and write the last one, while this one is tracked."""

    encoder: Stage
    writer: Stage


@contextmanager
def started_pipeline(backend_module: str) -> Iterator[Pipeline]:
    """A pipeline for one clip, to be started before the backend is loaded, which then runs on one thread.

    backend_module: where the backend is; the encoder imports it while this process imports and loads its own.
    """
    with Stage(__name__, backend_module) as encoder, Stage(__name__) as writer:
        keep_on_one_thread(backend_module)
        yield Pipeline(encoder, writer)


def encoded_frames(tracker: Tracker, clip: Clip, prompts: Prompts) -> Iterator[EncodedFrame]:
    """The clip's frames, those encoded on which an object is prompted or was and is not removed."""
    followed: set[int] = set()
    for index, picture in enumerate(clip):
        asked = prompts.get(index, FramePrompts())
        followed = (followed - set(asked.removed)) | set(asked.prompts)
        if not followed:
            yield EncodedFrame(picture, None)
            continue
        started = time.perf_counter()
        features = tracker.encode(picture)
        yield EncodedFrame(picture, features, time.perf_counter() - started)


def frames_of_stage(stage: Stage, backend: Backend, clip: Clip, prompts: Prompts) -> Iterator[EncodedFrame]:
    """`encoded_frames`, computed in a stage by another backend of the same programs."""
    stage.begin(_encode, type(backend).__module__, backend.loader(), backend.config, clip, prompts)
    while (frame := stage.receive()) is not None:
        assert isinstance(frame, EncodedFrame)
        yield frame


def _encode(
    connection: Connection,
    backend_module: str,
    load: Callable[[], Backend],
    config: ModelConfig,
    clip: Clip,
    prompts: Prompts,
) -> None:
    if config.name not in PRESETS:
        register_config(config)
    keep_on_one_thread(backend_module)
    with silenced():
        backend = load()
    for frame in encoded_frames(Tracker(backend), clip, prompts):
        connection.send(frame)
    connection.send(None)


@contextmanager
def results(output: Path, frames_per_second: float) -> Iterator[Write]:
    """A function that writes what is wanted of each frame: an overlay video and, to a folder, index PNG masks.

    output: a folder, or an .mp4 file for the video alone; it appears whole when the block ends, or not at all.
    """
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


@contextmanager
def results_of_stage(stage: Stage, output: Path, frames_per_second: float) -> Iterator[Write]:
    """`results`, drawn and written in a stage. A block that raises leaves no output."""
    stage.begin(_write, output, frames_per_second)
    yield lambda *item: stage.send(item)
    stage.send(None)
    stage.receive()


def _write(connection: Connection, output: Path, frames_per_second: float) -> None:
    with results(output, frames_per_second) as write:
        while (item := connection.recv()) is not None:
            write(*item)
    connection.send(None)


def is_video(output: Path) -> bool:
    """Whether the output is the overlay video alone."""
    return output.suffix.lower() == ".mp4"
