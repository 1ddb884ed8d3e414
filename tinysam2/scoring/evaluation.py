"""Evaluation: a model follows every object of every sequence from its first frame on, and its masks are scored."""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path
from tinysam2.core.json_text import parse_json
from tinysam2.data.masks import write_mask
from tinysam2.data.prompts import Prompt
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.data.simulated_prompts import simulated_prompts
from tinysam2.data.tracked import ObjectTracker, TrackedFrame
from tinysam2.scoring.scores import ObjectScore, RunningScore, SequenceScore, mean_figures, score_sequence

SCORE = "score.json"
"""Beside a sequence's masks, once it is finished."""

SECONDS_BETWEEN_LOOKS = 0.2

NewTracker = Callable[[], ObjectTracker]
"""Makes a tracker that has seen nothing yet."""

Watch = Callable[[Iterable[np.ndarray], str, int | None], Iterable[np.ndarray]]
"""Passes a sequence's masks on and shows how many there were; it is told the step and how many there will be."""


def tracked_frames(tracker: ObjectTracker, sequence: AnnotatedSequence, prompt: str = "mask") -> Iterator[TrackedFrame]:
    """The objects on each frame in turn.

    Each object is prompted once, on the first frame with its mask, by what `simulated_prompts` makes of that; until
    one has begun there are none. Raises InputError at a frame or a mask that cannot be read or used.
    """
    begun = False
    for index in range(len(sequence)):
        frame = sequence.frame(index)
        prompts = _prompts(tracker, sequence, index, frame, prompt)
        begun = begun or bool(prompts)
        if begun:
            yield tracker.track(frame, prompts)
        else:
            yield TrackedFrame({}, frame.shape[1], frame.shape[0])


def track_sequence(tracker: ObjectTracker, sequence: AnnotatedSequence, prompt: str = "mask") -> Iterator[np.ndarray]:
    """The object ids on each frame in turn: uint8 [H, W] of the frame's size, 0: none; see `tracked_frames`."""
    return (tracked.ids for tracked in tracked_frames(tracker, sequence, prompt))


def mean_j(new_tracker: NewTracker, sequences: Iterable[AnnotatedSequence]) -> float:
    """Mean J over the objects of all sequences, tracked from their masks, 0 to 1; nothing is written.

    Frames count as in `score_sequence`. Raises InputError as `track_sequence` does, or where no frame is scored.
    """
    scores: list[ObjectScore] = []
    for sequence in sequences:
        check_scored(sequence)
        running = RunningScore(sequence.objects)
        for index, ids in enumerate(track_sequence(new_tracker(), sequence)):
            running.add(sequence.ids(index), ids)
        scores += running.object_scores()
    mean = mean_figures(scores)["J"]
    if mean is None:
        raise InputError("no frame of the sequences is scored; name sequences with masks after their first frame")
    return mean


def check_scored(sequence: AnnotatedSequence) -> None:
    """Raises InputError where no frame of a sequence is scored, as `score_sequence` has it."""
    annotated = [index for index in range(len(sequence)) if sequence.is_annotated(index)]
    begins = min(sequence.objects.values(), default=len(sequence))
    if not any(index > begins for index in annotated[:-1]):
        raise InputError(
            f"sequence {sequence.name} has nothing to score in {len(sequence)} frames; "
            "it must have a mask after that of an object's first frame and another one after it"
        )


def evaluate_sequence(
    new_tracker: NewTracker,
    sequence: AnnotatedSequence,
    folder: Path,
    prompt: str = "mask",
    watch: Watch = lambda masks, *_: masks,
) -> SequenceScore:
    """Tracks a sequence into `folder/NAME` and scores what was written.

    The folder gets one index PNG mask a frame and `score.json`, and appears whole or not at all; one that is
    there already is taken as it is. Raises InputError as `track_sequence` does.
    """
    home = folder / sequence.name
    if not is_finished(home):
        with atomic_path(home) as temporary:
            temporary.mkdir()
            masks = watch(track_sequence(new_tracker(), sequence, prompt), f"tracking {sequence.name}", len(sequence))
            for name, ids in zip(sequence.frame_names, masks, strict=True):
                write_mask(temporary / f"{name}.png", ids)
            score = score_sequence(sequence, temporary)
            (temporary / SCORE).write_text(json.dumps(score.to_json(), indent=2, allow_nan=False) + "\n")
    return _read_score(home)


def evaluate_sequences(
    new_tracker: NewTracker,
    sequences: Iterable[AnnotatedSequence],
    folder: Path,
    prompt: str = "mask",
    watch: Watch = lambda masks, *_: masks,
) -> list[SequenceScore]:
    """Each sequence's score, in order; see `evaluate_sequence`.

    A folder that was used before must hold the same evaluation: `EvaluationSettings.claim` sees to that.
    """
    return [evaluate_sequence(new_tracker, sequence, folder, prompt, watch) for sequence in sequences]


def is_finished(home: Path) -> bool:
    """Whether a sequence's folder of results is there."""
    return (home / SCORE).is_file()


def share_of(sequences: Sequence[AnnotatedSequence], rank: int, workers: int) -> list[AnnotatedSequence]:
    """One worker's sequences, rank 0 to workers - 1: shares of about as many frames each, the same on every machine.

    Each sequence goes, the longest first, to whoever has the fewest frames by then.
    """
    frames, mine = [0] * workers, []
    for index in sorted(range(len(sequences)), key=lambda index: -len(sequences[index])):
        chosen = frames.index(min(frames))
        frames[chosen] += len(sequences[index])
        if chosen == rank:
            mine.append(index)
    return [sequences[index] for index in sorted(mine)]


def gathered(sequences: Iterable[AnnotatedSequence], folder: Path, wait: float = math.inf) -> list[SequenceScore]:
    """Each sequence's score, in order, as soon as all are there: other workers may still be at some.

    wait: seconds without another finished sequence after which the others are given up.
    Raises InputError then, and where a score cannot be read.
    """
    sequences = list(sequences)
    missing, since = len(sequences), time.monotonic()
    while lacking := [sequence.name for sequence in sequences if not is_finished(folder / sequence.name)]:
        if len(lacking) < missing:
            missing, since = len(lacking), time.monotonic()
        if time.monotonic() - since > wait:
            raise InputError(
                f"no other process finished a sequence in {wait:g} seconds, and {len(lacking)} are not in {folder} "
                f"({lacking[0]} is one); start the other processes, or raise --wait"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return [_read_score(folder / sequence.name) for sequence in sequences]


def _prompts(
    tracker: ObjectTracker, sequence: AnnotatedSequence, index: int, frame: np.ndarray, kind: str
) -> dict[int, Prompt]:
    """Prompts for the objects that begin on a frame."""
    beginning = [object_id for object_id, first in sequence.objects.items() if first == index]
    if not beginning:
        return {}
    ids = sequence.ids(index)
    masks = {} if ids is None else {object_id: ids == object_id for object_id in beginning}
    for object_id in beginning:
        if object_id not in masks or not masks[object_id].any():
            raise InputError(
                f"sequence {sequence.name} shows nothing of object {object_id} on frame {sequence.frame_names[index]}, "
                "where it should begin; mark its pixels in that frame's mask"
            )
    return simulated_prompts(kind, tracker, frame, masks)


def _read_score(home: Path) -> SequenceScore:
    path = home / SCORE
    try:
        return SequenceScore.from_json(home.name, parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} does not hold a score; remove {home} to have it tracked again") from error
