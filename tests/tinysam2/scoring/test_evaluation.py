"""Evaluation: every object prompted on its first frame, masks written and scored, in shares and after interruptions."""

import json
import threading
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinysam2.core.config import preset
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER
from tinysam2.core.errors import InputError
from tinysam2.data.prompt_kinds import PROMPTS
from tinysam2.data.sequence import AnnotatedSequence, FirstFrames
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.scoring.evaluation import (
    evaluate_sequence,
    evaluate_sequences,
    gathered,
    mean_j,
    share_of,
    track_sequence,
)
from tinysam2.scoring.evaluation_settings import EvaluationSettings
from tinysam2.scoring.scores import DatasetScore

NANO = preset("nano")
SIDE = NANO.mask_size
"""At this size the model's masks are taken as they are."""


@dataclass(eq=False)
class Squares(AnnotatedSequence):
    """Squares that drift to the right, object id -> first frame, on frames whose grey value is their index."""

    name: str = "squares"
    frames: int = 5
    objects: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})

    def __post_init__(self):
        self.frame_names = tuple(f"{index:05d}" for index in range(0, 5 * self.frames, 5))

    def frame(self, index):
        return np.full((SIDE, SIDE, 3), index, np.uint8)

    def ids(self, index):
        ids = np.zeros((SIDE, SIDE), np.uint8)
        for row, (object_id, first) in enumerate(self.objects.items()):
            if first <= index:
                ids[2 + 16 * row : 13 + 16 * row, 4 + index : 15 + index] = object_id
        return ids


class Oracle(Backend):
    """Answers with the truth, whatever it is shown and told; remembers what the mask decoder was told."""

    target, runtime = "oracle", "a test"

    def __init__(self, sequence):
        super().__init__(NANO)
        self.sequence, self.told = sequence, []

    def execute(self, program, inputs):
        outputs = {t.name: np.zeros(t.shape, np.float32) for t in self.contract[program].outputs}
        if program == IMAGE_ENCODER:
            self.index = int(inputs["image"].mean().round())
            objects = self.sequence.objects
            self.waiting = sorted(i for i, first in objects.items() if first <= self.index)
        if program == MASK_DECODER:
            object_id = self.waiting.pop(0)
            self.told.append((self.index, object_id, dict(inputs)))
            outputs["mask_logits"][0, 0] = np.where(self.sequence.ids(self.index) == object_id, 1.0, -1.0)
        return outputs

    def prompted(self):
        """Frame and object of each prompt."""
        return [
            (index, i) for index, i, said in self.told if said["has_mask"].any() or (said["point_labels"] >= 0).any()
        ]


class Unplugged(Backend):
    """A backend that must not be run."""

    def __init__(self):
        super().__init__(NANO)

    def execute(self, program, inputs):
        raise AssertionError("it ran")


SETTINGS = EvaluationSettings(
    data="/data/davis",
    split="val",
    sequences=2,
    frames=10,
    prompt="mask",
    preset="nano",
    backend="torch",
    runtime="PyTorch, fp32",
    precision="fp32",
    weights="seeded weights",
    weights_digest="ab12",
    trained=False,
)


def test_each_object_is_prompted_once_on_its_first_frame():
    sequence = Squares(objects={1: 1, 2: 3})
    oracle = Oracle(sequence)
    list(track_sequence(Tracker(oracle), sequence))
    assert oracle.prompted() == [(1, 1), (3, 2)]


def test_masks_are_empty_until_an_object_begins():
    sequence = Squares(objects={7: 2})
    tracked = list(track_sequence(Tracker(Oracle(sequence)), sequence))
    assert [sorted(np.unique(ids)) for ids in tracked] == [[0], [0], [0, 7], [0, 7], [0, 7]]
    assert {(ids.shape, ids.dtype.name) for ids in tracked} == {((SIDE, SIDE), "uint8")}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_predictions_that_equal_the_truth_score_one(tmp_path, prompt):
    sequence = Squares()
    figures = evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path, prompt).figures
    assert (figures["J"], figures["F"], figures["JF"]) == (1, 1, 1)


def test_masks_have_the_benchmarks_form(tmp_path):
    sequence = Squares(objects={3: 0, 200: 1})
    evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)
    names = [f"{name}.png" for name in sequence.frame_names]
    assert sorted(p.name for p in (tmp_path / "squares").iterdir()) == [*names, "score.json"]
    for index, name in enumerate(names):
        with Image.open(tmp_path / "squares" / name) as mask:
            assert mask.mode == "P"
            np.testing.assert_array_equal(np.array(mask), sequence.ids(index))


def test_the_score_is_of_the_written_masks_and_kept_beside_them(tmp_path):
    sequence = Squares()
    score = evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)
    assert json.loads((tmp_path / "squares/score.json").read_text()) == score.to_json()


def test_a_sequence_that_fails_leaves_nothing(tmp_path):
    sequence = Squares()
    sequence.frame = lambda index: Squares.frame(sequence, index) if index < 3 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_evaluation_goes_on_where_it_stopped(tmp_path):
    done, stopped = Squares("done"), Squares("stopped")

    def interrupt(masks, step, total):
        if "stopped" in step:
            raise KeyboardInterrupt
        return masks

    with pytest.raises(KeyboardInterrupt):
        evaluate_sequences(partial(Tracker, Oracle(done)), [done, stopped], tmp_path, watch=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["done"]
    oracle = Oracle(stopped)
    scores = evaluate_sequences(partial(Tracker, oracle), [done, stopped], tmp_path)
    assert [score.name for score in scores] == ["done", "stopped"]
    assert len(oracle.told) == len(stopped) * len(stopped.objects)


def test_a_finished_sequence_is_not_run_again(tmp_path):
    sequence = Squares()
    first = evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)
    assert evaluate_sequence(partial(Tracker, Unplugged()), sequence, tmp_path) == first


def test_a_damaged_score_is_named(tmp_path):
    sequence = Squares()
    evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)
    (tmp_path / "squares/score.json").write_text("{")
    with pytest.raises(InputError, match=r"squares/score\.json does not hold a score; remove .*squares"):
        evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)


def test_an_object_without_a_pixel_where_it_begins_is_named(tmp_path):
    sequence = Squares()
    sequence.ids = lambda index: np.where(Squares.ids(sequence, index) == 1, 1, 0)
    with pytest.raises(InputError, match="sequence squares shows nothing of object 2 on frame 00000"):
        evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path)


def test_another_prompt_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown prompt 'scribble'"):
        evaluate_sequence(partial(Tracker, Oracle(Squares())), Squares(), tmp_path, "scribble")


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(1, 5))
def test_shares_hold_each_sequence_once_and_differ_by_one_sequence_at_most(lengths, workers):
    sequences = [Squares(str(index), length) for index, length in enumerate(lengths)]
    shares = [share_of(sequences, rank, workers) for rank in range(workers)]
    assert sorted(s.name for share in shares for s in share) == sorted(s.name for s in sequences)
    frames = [sum(map(len, share)) for share in shares]
    assert max(frames) - min(frames) <= max(lengths, default=0)


def test_one_worker_has_all_in_the_datasets_order():
    sequences = [Squares("short", 2), Squares("long", 9), Squares("middle", 5)]
    assert share_of(sequences, 0, 1) == sequences


def test_shares_come_to_the_scores_of_one_worker(tmp_path):
    sequences = [Squares(name, frames) for name, frames in (("a", 3), ("b", 6), ("c", 4))]
    alone = [
        evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path / "alone") for sequence in sequences
    ]
    for rank in (1, 0):
        for sequence in share_of(sequences, rank, 2):
            evaluate_sequence(partial(Tracker, Oracle(sequence)), sequence, tmp_path / "shared")
    assert list(gathered(sequences, tmp_path / "shared")) == alone


def test_scores_are_gathered_when_the_last_is_there(tmp_path):
    sequence = Squares()
    other = threading.Timer(0.3, evaluate_sequence, (partial(Tracker, Oracle(sequence)), sequence, tmp_path))
    other.start()
    [score] = gathered([sequence], tmp_path)
    other.join()
    assert score.figures["JF"] == 1


def test_a_folder_is_claimed_and_claimed_again(tmp_path):
    SETTINGS.claim(tmp_path / "new/folder")
    SETTINGS.claim(tmp_path / "new/folder")
    assert json.loads((tmp_path / "new/folder/settings.json").read_text())["weights_digest"] == "ab12"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights_digest", "cd34"),
        ("backend", "tflite"),
        ("precision", "fp16"),
        ("prompt", "click-3"),
        ("data", "/data/mose"),
        ("split", "train"),
        ("preset", "tinysam2"),
        ("frames", 11),
    ],
)
def test_a_folder_of_other_settings_is_refused_by_what_differs(tmp_path, name, value):
    SETTINGS.claim(tmp_path)
    with pytest.raises(InputError, match=rf"whose {name} is {getattr(SETTINGS, name)}, and now it is {value};"):
        replace(SETTINGS, **{name: value}).claim(tmp_path)
    SETTINGS.claim(tmp_path)


def test_the_same_weights_may_lie_elsewhere(tmp_path):
    SETTINGS.claim(tmp_path)
    replace(SETTINGS, weights="moved.safetensors", trained=True).claim(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("words")
    with pytest.raises(InputError, match=r"not empty and holds no settings\.json"):
        SETTINGS.claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"prompt": "mask"}'])
def test_settings_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(InputError, match=r"settings\.json does not hold an evaluation's settings"):
        SETTINGS.claim(tmp_path)


def test_what_another_worker_has_not_finished_is_no_obstacle(tmp_path):
    (tmp_path / ".0a1b.partial.json").write_text("")
    SETTINGS.claim(tmp_path)


def test_the_mean_j_in_memory_is_that_of_the_masks_on_disk(nano_backend, tmp_path):
    sequences = [Squares("one", 4), Squares("two", 4, {3: 1})]
    tracker = partial(Tracker, nano_backend)
    written = DatasetScore(tuple(evaluate_sequences(tracker, sequences, tmp_path)))
    assert mean_j(tracker, sequences) == pytest.approx(written.figures["J"])


def test_the_first_frames_of_a_sequence_begin_with_its_first_object():
    start = FirstFrames(Squares(frames=9, objects={1: 3, 2: 4, 5: 7}), 3)
    assert (start.frame_names, start.objects) == (("00015", "00020", "00025"), {1: 0, 2: 1})
    assert (start.frame(1) == 4).all()
    assert set(np.unique(start.ids(1))) == {0, 1, 2}
