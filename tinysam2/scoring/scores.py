"""J and F of masks on disk, by frame, object, sequence and data set, gathered as the DAVIS 2017 toolkit does."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.core.files import write_text
from tinysam2.data.masks import read_mask
from tinysam2.data.sequence import VOID, AnnotatedSequence
from tinysam2.scoring.jf import boundary_measure, region_similarity

RECALL_THRESHOLD = 0.5
"""A frame counts as found above this."""

DECAY_BINS = 4

FIGURES = ("J", "F", "JF", "J_recall", "J_decay", "F_recall", "F_decay")
"""What is said of a sequence and of a data set; JF is the mean of J and F."""


@dataclass(frozen=True)
class Measure:
    """One measure of one object through a sequence: 0 to 1 by frame, None where it is not scored."""

    per_frame: tuple[float | None, ...]

    @cached_property
    def scored(self) -> np.ndarray:
        """The scored frames' values, float64 [N], in order."""
        return np.array([value for value in self.per_frame if value is not None], np.float64)

    @property
    def mean(self) -> float | None:
        return float(self.scored.mean()) if self.scored.size else None

    @property
    def recall(self) -> float | None:
        """The share of frames above one half."""
        return float((self.scored > RECALL_THRESHOLD).mean()) if self.scored.size else None

    @property
    def decay(self) -> float | None:
        """How much is lost over time: the mean of the first quarter less that of the last.

        Neighbouring quarters share a frame, as in davis2017/utils.py of the toolkit; its indices of eight bits, which
        overflow beyond 256 frames, are not copied.
        """
        if not self.scored.size:
            return None
        ends = np.round(np.linspace(1, self.scored.size, DECAY_BINS + 1) + 1e-10).astype(int) - 1
        first, last = (self.scored[ends[i] : ends[i + 1] + 1] for i in (0, DECAY_BINS - 1))
        return float(first.mean() - last.mean())

    def to_json(self) -> dict:
        return {"mean": self.mean, "recall": self.recall, "decay": self.decay, "per_frame": list(self.per_frame)}


@dataclass(frozen=True)
class ObjectScore:
    """Region similarity and boundary accuracy of one object, scored on the same frames."""

    j: Measure
    f: Measure

    @property
    def figures(self) -> dict[str, float | None]:
        """Its `FIGURES`, 0 to 1; None where no frame of it is scored."""
        j, f = self.j, self.f
        both = None if j.mean is None or f.mean is None else (j.mean + f.mean) / 2
        return dict(zip(FIGURES, (j.mean, f.mean, both, j.recall, j.decay, f.recall, f.decay), strict=True))


@dataclass(frozen=True)
class SequenceScore:
    """The scores of a sequence's objects, by their ids."""

    name: str
    objects: Mapping[int, ObjectScore]

    @property
    def figures(self) -> dict[str, float | None]:
        """The means over its objects, as `mean_figures` has them."""
        return mean_figures(self.objects.values())

    def to_json(self) -> dict:
        objects = {str(i): {"J": score.j.to_json(), "F": score.f.to_json()} for i, score in self.objects.items()}
        return {**self.figures, "objects": objects}

    @classmethod
    def from_json(cls, name: str, data: Mapping) -> "SequenceScore":
        """What `to_json` wrote; everything is computed anew from the values by frame.

        Raises InputError where it is not that.
        """
        try:
            objects = {
                _object_id(i): ObjectScore(*(Measure(_shares(score[key]["per_frame"])) for key in ("J", "F")))
                for i, score in data["objects"].items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"the stored score of {name} is not one that this program wrote; remove it and score {name} again"
            ) from error
        return cls(name, objects)


def _object_id(text: str) -> int:
    if not 0 < int(text) < VOID:
        raise ValueError(f"{text} is no object's id")
    return int(text)


def _shares(values: list) -> tuple[float | None, ...]:
    """Values by frame as read: None, or a number from 0 to 1."""
    if not isinstance(values, list):
        raise ValueError("the values by frame are no list")
    for value in values:
        if value is not None and not (type(value) in (int, float) and 0 <= value <= 1):
            raise ValueError("a value is neither null nor a number from 0 to 1")
    return tuple(values)


@dataclass(frozen=True)
class DatasetScore:
    """The scores of a data set's sequences. Its mean is over all objects, whichever sequence they are in."""

    sequences: tuple[SequenceScore, ...]

    @property
    def objects(self) -> tuple[ObjectScore, ...]:
        return tuple(score for sequence in self.sequences for score in sequence.objects.values())

    @property
    def figures(self) -> dict[str, float | None]:
        """The means over its objects, as `mean_figures` has them."""
        return mean_figures(self.objects)

    def to_json(self) -> dict:
        return {
            "mean": self.figures,
            "sequences": {sequence.name: sequence.to_json() for sequence in self.sequences},
        }

    def write(self, path: Path) -> None:
        """Writes the JSON, whole or not at all. Raises InputError where it cannot be written."""
        write_text(path, json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")


def mean_figures(objects: Iterable[ObjectScore]) -> dict[str, float | None]:
    """`FIGURES`, each the mean over the objects with a scored frame; None where none has one."""
    scored = [score.figures for score in objects if score.j.scored.size]
    return {name: float(np.mean([figures[name] for figures in scored])) if scored else None for name in FIGURES}


def score_sequence(
    sequence: AnnotatedSequence, folder: Path, progress: Callable[[int], None] = lambda frames_done: None
) -> SequenceScore:
    """Scores the masks `folder/<frame name>.png`, whose values are object ids, against a sequence's truth.

    An object is scored on the annotated frames after its first and before the sequence's last annotated one; only their
    masks are read. Void pixels of the truth count for nothing.
    Raises InputError where such a mask is missing, is not a whole PNG, has another size than the truth, or holds an id
    that is none of the sequence's objects.
    """
    values: dict[int, tuple[list[float | None], list[float | None]]]
    values = {i: ([None] * len(sequence), [None] * len(sequence)) for i in sequence.objects}
    for index, truth in _annotated_but_last(sequence, progress):
        scored = [i for i, first in sequence.objects.items() if index > first]
        if not scored:
            continue
        prediction = _read_prediction(folder / f"{sequence.frame_names[index]}.png", truth, sequence)
        for i, (j, f) in score_frame(truth, prediction, scored).items():
            values[i][0][index], values[i][1][index] = j, f
    objects = {i: ObjectScore(Measure(tuple(j)), Measure(tuple(f))) for i, (j, f) in values.items()}
    return SequenceScore(sequence.name, objects)


def score_frame(truth: np.ndarray, prediction: np.ndarray, objects: Iterable[int]) -> dict[int, tuple[float, float]]:
    """J and F of each object on one frame, from the ids [H, W] that are and that were predicted."""
    void = truth == VOID
    void = void if void.any() else None
    return {
        i: (
            region_similarity(truth == i, prediction == i, void),
            boundary_measure(truth == i, prediction == i, void),
        )
        for i in objects
    }


class RunningScore:
    """Scores a sequence while it is tracked, as `score_sequence` scores masks on disk.

    objects: object id -> the first frame with its mask.
    """

    def __init__(self, objects: Mapping[int, int]) -> None:
        self.objects = objects
        self._values: dict[int, tuple[list[float], list[float]]] = {i: ([], []) for i in objects}
        self._frames = 0
        self._last: tuple[int, np.ndarray, np.ndarray] | None = None

    def add(self, truth: np.ndarray | None, prediction: np.ndarray) -> None:
        """The next frame's ids [H, W]; truth: None where it is not annotated."""
        if truth is not None:
            # The last annotated frame is not scored, so that each waits for the next.
            if self._last is not None:
                self._score(*self._last)
            self._last = self._frames, truth, prediction
        self._frames += 1

    def object_scores(self) -> list[ObjectScore]:
        """Each object's score so far, its scored frames alone."""
        return [ObjectScore(*(Measure(tuple(by_frame)) for by_frame in pair)) for pair in self._values.values()]

    def figures(self) -> dict[str, float] | None:
        """J, F and their mean over the objects so far, 0 to 1; None where no frame is scored."""
        figures = mean_figures(self.object_scores())
        chosen = {name: figures[name] for name in ("J", "F", "JF")}
        return {name: value for name, value in chosen.items() if value is not None} or None

    def _score(self, index: int, truth: np.ndarray, prediction: np.ndarray) -> None:
        scored = [i for i, first in self.objects.items() if index > first]
        for i, pair in score_frame(truth, prediction, scored).items():
            for by_frame, value in zip(self._values[i], pair, strict=True):
                by_frame.append(value)


def _shifted(progress: Callable[[int], None], done: int) -> Callable[[int], None]:
    return lambda frames: progress(done + frames)


def score_dataset(
    sequences: Iterable[AnnotatedSequence], folder: Path, progress: Callable[[int], None] = lambda frames_done: None
) -> DatasetScore:
    """Scores the masks `folder/<sequence>/<frame name>.png`; raises InputError as `score_sequence` does, or where a
    sequence has no folder, or no object of any sequence has a frame that is scored."""
    sequences = tuple(sequences)
    for sequence in sequences:
        if not (folder / sequence.name).is_dir():
            raise InputError(
                f"the predictions {folder} have no folder {sequence.name}; put one folder of PNG masks a sequence in it"
            )
    scores, done = [], 0
    for sequence in sequences:
        scores.append(score_sequence(sequence, folder / sequence.name, _shifted(progress, done)))
        done += len(sequence)
    score = DatasetScore(tuple(scores))
    if score.figures["J"] is None:
        raise InputError(
            "the data set has nothing to score: no object has an annotated frame between its first and the sequence's "
            "last annotated frame; name a split whose masks are public"
        )
    return score


def _annotated_but_last(
    sequence: AnnotatedSequence, progress: Callable[[int], None]
) -> Iterator[tuple[int, np.ndarray]]:
    """The annotated frames' indices and ids, all but the last one."""
    former = None
    for index in range(len(sequence)):
        ids = sequence.ids(index)
        if ids is not None:
            if former is not None:
                yield former
            former = index, ids
        progress(index + 1)


def _read_prediction(path: Path, truth: np.ndarray, sequence: AnnotatedSequence) -> np.ndarray:
    ids = read_mask(path, size=truth.shape[::-1], allow_empty=True)
    [present] = np.nonzero(np.bincount(ids.ravel(), minlength=256)[1:])
    unknown = [int(i) for i in present + 1 if i not in sequence.objects]
    if unknown:
        known = ", ".join(str(i) for i in sequence.objects)
        raise InputError(
            f"the mask {path} holds the object id {unknown[0]}; the ids of {sequence.name} are {known}, and 0 is none"
        )
    return ids
