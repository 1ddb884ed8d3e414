"""The outcome of a validation is made once for the same artifacts, and comes back from the cache as it was."""

import dataclasses
import json

import pytest

from tests.validation.reporting.test_report import FAILED, REPORT
from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.cache import Cache
from tinysam2.core.json_data import from_data, to_data
from tinysam2.models.weights.checkpoint import LoadedModel, seeded_model, weights_digest
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS
from tinysam2.validation.reporting import outcome as module
from tinysam2.validation.reporting.gallery import Shot, TargetShot
from tinysam2.validation.reporting.outcome import outcome_key, validated_once

SHOTS = (Shot(0, "koi", 3, 96, 72, b"\x00webp\xff", {"coreml": TargetShot(b"a", b"b", 1, 2, 3)}, ("coreml",)),)
CARD = ArtifactCard("coreml", "nano", "int8", "float32", {}, "weights", "ab" * 32, True, {}, digests={"a": "b"})
BUDGET = DEFAULT_BUDGETS["nano"]


@pytest.fixture(scope="module")
def small(small_config) -> LoadedModel:
    model = seeded_model(small_config)
    return LoadedModel(model, "small weights", True, weights_digest(model.state_dict()))


def test_a_report_comes_back_from_json_as_it_was():
    assert from_data(type(REPORT), json.loads(json.dumps(to_data(REPORT)))) == REPORT


def test_an_outcome_is_made_once_and_comes_back_as_it_was(tmp_path):
    cache, made = Cache(tmp_path / "cache"), []

    def validate():
        made.append(1)
        return REPORT, SHOTS

    first, cached = validated_once(cache, "a" * 64, validate)
    assert not cached
    second, cached = validated_once(cache, "a" * 64, validate)
    assert cached
    assert second == first
    assert (second.report, second.shots) == (REPORT, SHOTS)
    assert second.report.to_json() == REPORT.to_json()
    assert made == [1]
    assert not validated_once(None, "a" * 64, validate)[1]
    assert not validated_once(cache, "b" * 64, validate)[1]


def test_an_outcome_that_failed_is_not_kept(tmp_path):
    cache = Cache(tmp_path / "cache")
    failed = dataclasses.replace(REPORT, targets=(dataclasses.replace(REPORT.targets[0], gates=(FAILED,)),))
    assert not failed.passed
    for _ in range(2):
        outcome, cached = validated_once(cache, "a" * 64, lambda: (failed, SHOTS))
        assert (outcome.report, cached) == (failed, False)


def test_whatever_an_outcome_depends_on_gives_another_key(small, monkeypatch):
    def key_of(loaded=small, card=CARD, frames=None, budget=BUDGET, measured=True) -> str:
        return outcome_key(loaded, [card], frames, budget, measured)

    keys = [key_of(), key_of(frames=2), key_of(measured=False), key_of(budget=DEFAULT_BUDGETS["tinysam2"])]
    assert key_of() == keys[0]
    keys.append(key_of(loaded=dataclasses.replace(small, digest="cd" * 32)))
    keys += [key_of(card=dataclasses.replace(CARD, **change)) for change in ({"digests": {"a": "c"}}, {"weights": "w"})]
    monkeypatch.setattr(module, "code_digest", lambda parts: "other code")
    keys.append(key_of())
    monkeypatch.setattr(module.platform, "node", lambda: "another machine")
    keys.append(key_of())
    assert len(set(keys)) == len(keys)
