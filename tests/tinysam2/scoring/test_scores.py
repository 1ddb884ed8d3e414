"""Masks on disk are scored as the official toolkit scores them, and what cannot be scored is refused by name."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinysam2.core.errors import InputError
from tinysam2.data.datasets import open_dataset
from tinysam2.data.masks import write_mask
from tinysam2.data.sequence import VOID, AnnotatedSequence
from tinysam2.scoring.scores import (
    FIGURES,
    DatasetScore,
    Measure,
    ObjectScore,
    RunningScore,
    SequenceScore,
    score_dataset,
    score_sequence,
)

SIZE = (12, 16)


class Truth(AnnotatedSequence):
    """Ids in memory; None: not annotated."""

    def __init__(self, masks, objects, name="pond"):
        self.name, self.masks, self.objects = name, masks, objects
        self.frame_names = tuple(f"{index:05d}" for index in range(len(masks)))

    def frame(self, index):
        raise AssertionError("a score looks at no frame")

    def ids(self, index):
        return self.masks[index]


def mask(**objects):
    """Ids [H, W] with object `_1` in the columns given for it."""
    ids = np.zeros(SIZE, np.uint8)
    for name, columns in objects.items():
        ids[3:9, columns] = int(name[1:])
    return ids


LEFT, RIGHT = slice(2, 6), slice(9, 13)


@pytest.fixture
def predict(tmp_path):
    """Writes masks by frame, None for no file, and returns their folder."""

    def write(masks, folder="predicted"):
        for index, ids in enumerate(masks):
            if ids is not None:
                write_mask(tmp_path / folder / f"{index:05d}.png", ids)
        return tmp_path / folder

    return write


def test_a_published_methods_masks_score_as_the_official_toolkit_prints(shared_data):
    official = json.loads((shared_data / "reference-jf/official_scores.json").read_text())
    sequences = open_dataset(shared_data / "davis2016", "val")
    score = score_dataset(sequences, shared_data / "reference-jf/predictions").to_json()
    assert score["sequences"].keys() == official.keys()
    for name, measures in official.items():
        for key, expected in measures.items():
            found = score["sequences"][name]["objects"]["1"][key]
            for figure in ("mean", "recall", "decay"):
                assert found[figure] == pytest.approx(expected[figure], abs=1e-6), (name, key, figure)
            assert found["per_frame"] == pytest.approx(expected["per_frame"], abs=1e-6), (name, key)
    for key in "JF":
        mean = np.mean([measures[key]["mean"] for measures in official.values()])
        assert score["mean"][key] == pytest.approx(mean, abs=1e-6)


def test_the_first_and_the_last_frame_are_neither_scored_nor_read(predict):
    truth = Truth([mask(_1=LEFT)] * 4, {1: 0})
    [scored] = score_sequence(truth, predict([None, mask(_1=LEFT), mask(), None])).objects.values()
    assert scored.j.per_frame == scored.f.per_frame == (None, 1.0, 0.0, None)


def test_an_object_that_appears_later_is_scored_from_its_second_frame(predict):
    both = mask(_1=LEFT, _2=RIGHT)
    truth = Truth([mask(_1=LEFT), mask(_1=LEFT), both, both, both], {1: 0, 2: 2})
    score = score_sequence(truth, predict([None, mask(_1=LEFT), both, mask(_1=LEFT), None]))
    assert score.objects[1].j.per_frame == (None, 1.0, 1.0, 1.0, None)
    assert score.objects[2].j.per_frame == (None, None, None, 0.0, None)


def test_frames_before_any_object_need_no_mask(predict):
    truth = Truth([mask(), mask(), mask(_1=LEFT), mask(_1=LEFT), mask(_1=LEFT)], {1: 2})
    [scored] = score_sequence(truth, predict([None, None, None, mask(_1=LEFT), None])).objects.values()
    assert scored.j.per_frame == (None, None, None, 1.0, None)


def test_frames_without_annotation_are_not_scored_and_the_last_annotated_one_ends_it(predict):
    truth = Truth([mask(_1=LEFT), None, mask(_1=LEFT), None, mask(_1=LEFT), None], {1: 0})
    [scored] = score_sequence(truth, predict([None, None, mask(_1=LEFT), None, None, None])).objects.values()
    assert scored.f.per_frame == (None, None, 1.0, None, None, None)


def test_void_pixels_are_not_judged(predict):
    truth = Truth([mask(_1=LEFT, _255=RIGHT)] * 3, {1: 0})
    assert truth.masks[0].max() == VOID
    predicted = mask(_1=slice(2, 13))
    predicted[:, 6:9] = 0
    [scored] = score_sequence(truth, predict([None, predicted, None])).objects.values()
    assert scored.j.mean == scored.f.mean == 1.0


def test_a_grey_mask_of_0_and_255_is_object_1(tmp_path):
    truth = Truth([mask(_1=LEFT)] * 3, {1: 0})
    Image.fromarray(mask(_1=LEFT) * np.uint8(255)).save(tmp_path / "00001.png")
    assert score_sequence(truth, tmp_path).figures["JF"] == 1.0


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        (None, r"predicted/00001\.png does not exist"),
        (np.zeros((5, 7), np.uint8), r"predicted/00001\.png is 7x5, but the frames are 16x12"),
        (mask(_3=LEFT), r"predicted/00001\.png holds the object id 3; the ids of pond are 1, 2, and 0 is none"),
    ],
)
def test_a_mask_that_cannot_be_scored_is_refused_by_name(predict, predicted, words):
    truth = Truth([mask(_1=LEFT, _2=RIGHT)] * 3, {1: 0, 2: 0})
    with pytest.raises(InputError, match=words):
        score_sequence(truth, predict([None, predicted, None]))


def test_a_damaged_mask_is_refused_by_name(predict):
    folder = predict([None, mask(_1=LEFT)])
    (folder / "00001.png").write_bytes((folder / "00001.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"predicted/00001\.png is damaged"):
        score_sequence(Truth([mask(_1=LEFT)] * 3, {1: 0}), folder)


def test_a_sequence_without_predictions_is_refused_before_any_is_scored(predict, tmp_path):
    predict([None, mask(_1=LEFT), None], "pond")
    sequences = [Truth([mask(_1=LEFT)] * 3, {1: 0}, name) for name in ("pond", "lake")]
    with pytest.raises(InputError, match="have no folder lake"):
        score_dataset(sequences, tmp_path)


def test_a_data_set_without_anything_to_score_is_refused(tmp_path):
    (tmp_path / "pond").mkdir()
    with pytest.raises(InputError, match="nothing to score"):
        score_dataset([Truth([mask(_1=LEFT), None, None], {1: 0})], tmp_path)


def test_the_mean_is_over_objects_not_over_sequences():
    one, none = (ObjectScore(Measure((None, v, None)), Measure((None, v, None))) for v in (1.0, 0.0))
    score = DatasetScore((SequenceScore("a", {1: one, 2: one, 3: one}), SequenceScore("b", {1: none})))
    assert score.figures["J"] == score.figures["JF"] == score.figures["F_recall"] == 0.75


def test_an_object_without_a_scored_frame_counts_in_no_mean():
    one, unscored = (ObjectScore(Measure((None, v, None)), Measure((None, v, None))) for v in (1.0, None))
    score = DatasetScore((SequenceScore("a", {1: one}), SequenceScore("b", {1: unscored})))
    assert score.figures["J"] == 1.0
    assert score.to_json()["sequences"]["b"]["J"] is None
    assert score.to_json()["sequences"]["b"]["objects"]["1"]["J"]["mean"] is None


@pytest.mark.parametrize(
    ("values", "decay"),
    [
        ([0.7], 0.0),
        ([1.0, 0.0], 1.0),
        # The quarters of seven frames begin at 1, 2.5, 4, 5.5 and 7, of which 2.5 becomes 3 and 5.5 becomes 6.
        ([0.9, 0.6, 0.3, 0.0, 0.0, 0.2, 0.4], 0.6 - 0.3),
        ([i / 8 for i in range(9)], (0 + 1 + 2) / 24 - (6 + 7 + 8) / 24),
    ],
)
def test_decay_is_the_first_quarter_less_the_last(values, decay):
    assert Measure(tuple(values)).decay == pytest.approx(decay)


def test_decay_of_a_long_video_does_not_overflow():
    assert Measure((1.0,) * 300 + (0.0,) * 300).decay == pytest.approx(1.0)


def test_recall_is_the_share_above_one_half():
    assert Measure((None, 0.4, 0.5, 0.6, 1.0, None)).recall == 0.5


frames_of_both = st.lists(st.just((None, None)) | st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=12)


@given(st.dictionaries(st.integers(1, 254), frames_of_both, max_size=3))
def test_a_sequences_score_survives_json(objects):
    score = SequenceScore(
        "pond",
        {
            i: ObjectScore(*(Measure(tuple(pair[k] for pair in by_frame)) for k in (0, 1)))
            for i, by_frame in objects.items()
        },
    )
    written = json.dumps(score.to_json(), allow_nan=False)
    read = SequenceScore.from_json("pond", json.loads(written))
    assert read == score
    assert read.to_json() == score.to_json()


@pytest.mark.parametrize("data", [{}, {"objects": []}, {"objects": {"1": {"J": {}}}}, {"objects": {"x": {}}}, []])
def test_a_stored_score_of_another_form_is_refused(data):
    with pytest.raises(InputError, match="the stored score of pond"):
        SequenceScore.from_json("pond", data)


def test_the_json_has_the_means_the_objects_and_every_frame(predict, tmp_path):
    truth = Truth([mask(_1=LEFT)] * 3, {1: 0})
    predict([None, mask(_1=LEFT), None], "out/pond")
    score = score_dataset([truth], tmp_path / "out")
    score.write(tmp_path / "scores.json")
    data = json.loads((tmp_path / "scores.json").read_text())
    assert tuple(data["mean"]) == FIGURES
    pond = data["sequences"]["pond"]
    assert tuple(pond) == (*FIGURES, "objects")
    assert pond["objects"] == {
        "1": {key: {"mean": 1.0, "recall": 1.0, "decay": 0.0, "per_frame": [None, 1.0, None]} for key in "JF"}
    }


def test_progress_counts_frames_over_the_sequences(predict, tmp_path):
    sequences = [Truth([mask(_1=LEFT)] * 3, {1: 0}, name) for name in ("a", "b")]
    for sequence in sequences:
        predict([None, mask(_1=LEFT), None], sequence.name)
    seen = []
    score_dataset(sequences, tmp_path, seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_scoring_while_tracking_is_scoring_what_was_written(predict):
    truth = [mask(_1=LEFT), None, mask(_1=LEFT, _2=RIGHT), mask(_1=slice(3, 7), _255=slice(0, 2)), mask(_2=RIGHT)]
    predictions = [mask(_1=LEFT), mask(), mask(_1=slice(4, 8)), mask(_1=LEFT, _2=RIGHT), mask(_1=RIGHT)]
    running = RunningScore({1: 0, 2: 2})
    for ids, prediction in zip(truth, predictions, strict=True):
        running.add(ids, prediction)
    written = score_sequence(Truth(truth, {1: 0, 2: 2}), predict(predictions))
    assert running.figures() == {name: written.figures[name] for name in ("J", "F", "JF")}
    assert 0 < running.figures()["JF"] < 1


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_too_few_frames_have_no_score_while_tracking(frames):
    running = RunningScore({1: 0})
    for _ in range(frames):
        running.add(mask(_1=LEFT), mask(_1=LEFT))
    assert running.figures() is None
