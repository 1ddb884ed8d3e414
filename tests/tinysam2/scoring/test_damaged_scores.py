"""Stored scores and settings that were changed are refused with an InputError, or are scores from 0 to 1."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings

from tests.mutations import DEEP, changed_json, read_or_refuse
from tinysam2.scoring.evaluation import _read_score
from tinysam2.scoring.evaluation_settings import EvaluationSettings
from tinysam2.scoring.scores import FIGURES, Measure, ObjectScore, SequenceScore

FEW = settings(max_examples=60, deadline=None, derandomize=True)
SCORE = SequenceScore("pond", {1: ObjectScore(Measure((None, 0.5, 1.0)), Measure((None, 0.25, 0)))})
SETTINGS = EvaluationSettings(
    "data", None, 1, 3, "mask", "nano", "torch", "torch", "fp32", "seeded", "ab12", trained=False
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("pond")


def read_score(path):
    return _read_score(path.parent)


def claim(path):
    return SETTINGS.claim(path.parent) or True


@FEW
@given(text=changed_json(SCORE.to_json()))
def test_a_changed_score_is_refused_or_has_figures(scratch, text):
    score = read_or_refuse(read_score, scratch / "score.json", text)
    assert score is None or set(score.figures) == set(FIGURES)


@pytest.mark.parametrize("values", ["abc", [True], ["0.5"], [2], [[0.5]], {"0": 1}, None, [10**400]])
def test_values_by_frame_that_are_no_shares_are_refused(scratch, values):
    data = SCORE.to_json()
    data["objects"]["1"]["J"]["per_frame"] = values
    assert read_or_refuse(read_score, scratch / "score.json", json.dumps(data)) is None


@pytest.mark.parametrize("text", DEEP, ids=len)
def test_deep_json_is_refused(scratch, tmp_path, text):
    assert read_or_refuse(read_score, scratch / "score.json", text) is None
    assert read_or_refuse(claim, tmp_path / "settings.json", text) is None


@FEW
@given(text=changed_json(asdict(SETTINGS)))
def test_changed_settings_claim_no_folder_unless_they_are_the_same(tmp_path_factory, text):
    claimed = read_or_refuse(claim, tmp_path_factory.mktemp("claimed") / "settings.json", text)
    if claimed:
        told, own = json.loads(text), asdict(SETTINGS)
        assert {k: v for k, v in told.items() if k not in ("weights", "trained")} == {
            k: v for k, v in own.items() if k not in ("weights", "trained")
        }
