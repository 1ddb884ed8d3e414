"""What artifacts are validated on: a clip, what is said of its objects, and what is known of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.data.clips import Clip
from tinysam2.data.prompts import Prompt, prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.data.sequence import VOID, AnnotatedSequence

SAMPLE_FRAMES, SAMPLE_OBJECTS = 40, 2


@dataclass(frozen=True)
class Scene:
    """A clip as it is validated; frames are counted from 0, the first that is played.

    width, height: of a frame in pixels. objects: object id -> the frame of its first prompt. frame_count: how many
    are played; None where that is not known. read_frames: uint8 RGB [H, W, 3] each, from the first one on.
    prompts: those of a frame, by object id. truth: a frame's ids [H, W], None where they are not known.
    """

    name: str
    width: int
    height: int
    objects: Mapping[int, int]
    frame_count: int | None
    read_frames: Callable[[], Iterator[np.ndarray]] = field(repr=False)
    prompts: Callable[[int], Mapping[int, Prompt]] = field(repr=False)
    truth: Callable[[int], np.ndarray | None] = field(repr=False, default=lambda index: None)


def scene_of_clip(clip: Clip, prompts: Mapping[int, Prompt], max_frames: int | None = None, start: int = 0) -> Scene:
    """A clip of which nothing is known but the prompts, by object id, of its frame `start`, the first to be played."""
    left = None if clip.frame_count is None else clip.frame_count - start
    counts = [count for count in (left, max_frames) if count is not None]
    return Scene(
        clip.name,
        clip.width,
        clip.height,
        dict.fromkeys(prompts, 0),
        min(counts, default=None),
        lambda: islice(clip, start, None if max_frames is None else start + max_frames),
        lambda index: prompts if index == 0 else {},
    )


def sample_scene(max_frames: int | None = None) -> Scene:
    """The embedded clip of two objects, prompted by its masks on the first frame and again in the middle."""
    sample = render_sample_clip(SAMPLE_FRAMES, objects=SAMPLE_OBJECTS)
    frames = min(SAMPLE_FRAMES, max_frames or SAMPLE_FRAMES)
    height, width = sample.masks[0].shape
    return Scene(
        "sample",
        width,
        height,
        dict.fromkeys(range(1, SAMPLE_OBJECTS + 1), 0),
        frames,
        lambda: iter(sample.frames[:frames]),
        lambda index: prompts_of_mask(sample.masks[index]) if index in (0, frames // 2) else {},
        sample.masks.__getitem__,
    )


def scene_of_sequence(sequence: AnnotatedSequence, max_frames: int | None = None) -> Scene:
    """A data set's sequence, from the first frame with an object on; each is prompted by its first mask.

    Raises InputError where an object's first mask holds nothing of it, or a file cannot be read; frames raise it too.
    """
    start = min(sequence.objects.values())
    count = min(len(sequence) - start, max_frames or len(sequence))
    objects = {i: first - start for i, first in sequence.objects.items() if first - start < count}
    height, width = sequence.frame(start).shape[:2]

    def prompts(index: int) -> dict[int, Prompt]:
        beginning = [i for i, first in objects.items() if first == index]
        if not beginning:
            return {}
        ids = sequence.ids(start + index)
        masks = {} if ids is None else {object_id: ids == object_id for object_id in beginning}
        for object_id in beginning:
            if object_id not in masks or not masks[object_id].any():
                raise InputError(
                    f"sequence {sequence.name} shows nothing of object {object_id} on frame "
                    f"{sequence.frame_names[start + index]}, where it should begin; mark it in that frame's mask"
                )
        return {object_id: Prompt(mask=mask) for object_id, mask in masks.items()}

    def truth(index: int) -> np.ndarray | None:
        ids = sequence.ids(start + index)
        # An object that begins after the last frame that is played is never tracked.
        return ids if ids is None else np.where(np.isin(ids, (*objects, VOID)), ids, 0).astype(np.uint8)

    return Scene(
        sequence.name,
        width,
        height,
        objects,
        count,
        lambda: (sequence.frame(start + index) for index in range(count)),
        prompts,
        truth,
    )
