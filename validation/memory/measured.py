"""Memory as the operating system counts it: resident anonymous bytes of a process that tracks a clip."""

import ctypes
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from tinysam2.core.units import KIB
from tinysam2.data.prompts import prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
RESET_HIGH_WATER_MARK = "5"
"""Source: proc(5), /proc/pid/clear_refs: resets the peak resident set size to what is resident now."""

FRAMES = 300
SETTLED = 20
"""Frames after which every buffer that is made on first use is there."""

SAMPLE_EVERY = 10
SAMPLES = 5
"""Samples at either end of the run whose medians are compared."""

CLIP_FRAMES = 12


@dataclass(frozen=True)
class MeasuredMemory:
    """Resident anonymous bytes of one process on this computer, runtime and interpreter with them.

    before_load: with the runtime imported and no model. loaded: with the model. settled: after the first frames.
    peak: the most within a frame. growth: over 300 frames, signed. bank_first, bank_last: bytes of the bank's own
    arrays after the first and the last frame.
    """

    frames: int
    before_load: int
    loaded: int
    settled: int
    peak: int
    growth: int
    bank_first: int
    bank_last: int


def can_measure() -> bool:
    """Whether this system tells a process's memory and takes back what it has freed: Linux with glibc."""
    return os.access(STATUS, os.R_OK) and os.access(RESET, os.W_OK) and _trim() is not None


def measure(
    load: Callable[[], Backend], frames: int = FRAMES, progress: Callable[[int], None] = lambda frames_done: None
) -> MeasuredMemory:
    """Loads a model in this process, tracks one object through the embedded clip, again and again, and measures.

    Freed memory is handed back before each reading, so that what remains is held. Growth is the difference between
    the medians of the first and of the last five readings after the settling, which one reading off does not move.
    load: imports nothing that was not imported before it is called. frames: at least 120.
    """
    if frames < SETTLED + 2 * SAMPLES * SAMPLE_EVERY:
        raise ValueError(f"frames is {frames}; it must be at least {SETTLED + 2 * SAMPLES * SAMPLE_EVERY}")
    clip = render_sample_clip(CLIP_FRAMES, objects=1)
    prompts = prompts_of_mask(clip.masks[0])
    before = settled_bytes()
    tracker = Tracker(load())
    loaded = settled_bytes()
    # What is there now stays; collecting only what comes after is quick enough to be done before each reading.
    gc.freeze()
    readings, peaks, bank_first = [], [], 0
    try:
        with one_thread():
            for done, frame in enumerate(islice(cycle(clip.frames), frames), start=1):
                if SETTLED < done <= SETTLED + CLIP_FRAMES:
                    peaks.append(peak_of(partial(tracker.track, frame)))
                else:
                    tracker.track(frame, prompts if done == 1 else None)
                bank_first = bank_first or tracker.bank_bytes
                if done >= SETTLED and done % SAMPLE_EVERY == 0:
                    readings.append(settled_bytes())
                progress(done)
    finally:
        gc.unfreeze()
    apart = (len(readings) - SAMPLES) * SAMPLE_EVERY
    growth = (median(readings[-SAMPLES:]) - median(readings[:SAMPLES])) * FRAMES / apart
    return MeasuredMemory(
        frames, before, loaded, readings[0], max(peaks), round(growth), bank_first, tracker.bank_bytes
    )


def peak_of(work: Callable[[], object]) -> int:
    """The most resident anonymous bytes while some work is done."""
    before = settled_bytes()
    RESET.write_text(RESET_HIGH_WATER_MARK)
    resident = _status("VmRSS")
    work()
    return before + _status("VmHWM") - resident


def settled_bytes() -> int:
    """Resident anonymous bytes, what is free given back."""
    gc.collect()
    if trim := _trim():
        trim(0)
    return _status("RssAnon")


def _status(field: str) -> int:
    return int(STATUS.read_text().split(f"{field}:")[1].split()[0]) * KIB


def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`, which hands free memory back to the system."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
