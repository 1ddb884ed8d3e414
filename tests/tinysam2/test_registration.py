"""A preset from outside, with its memory budget, is used as those that come with the package."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import tinysam2
from tinysam2.cli import commands
from tinysam2.core.artifacts import read_card
from tinysam2.core.config import PRESETS
from tinysam2.core.errors import InputError
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS, read_budget
from tinysam2.validation.memory.gates import memory_gates

PICO = replace(
    tinysam2.preset("nano"), name="pico", image_size=128, bank=replace(tinysam2.preset("nano").bank, slots=3)
)
LIMIT = tinysam2.Limit(5, "a test's")
BUDGET = tinysam2.Budget(bank=LIMIT, activations=LIMIT, weights=LIMIT, total=LIMIT, growth_over_300_frames=LIMIT)


@pytest.fixture
def pico():
    tinysam2.register_preset(PICO, BUDGET)
    yield PICO
    tinysam2.unregister_preset("pico")


def test_a_registered_preset_is_found_and_tracks(pico):
    assert tinysam2.preset("pico") is pico
    tracker = tinysam2.Tracker(tinysam2.TorchBackend(tinysam2.load_model(pico).model))
    frame = np.zeros((96, 128, 3), np.uint8)
    tracked = tracker.track(frame, {1: tinysam2.Prompt(points=(tinysam2.Point(40, 30),))})
    assert tracked.ids.shape == (96, 128)


def test_its_artifacts_have_cards(pico, tmp_path, write_card):
    write_card(tmp_path, "executorch", "tinysam2.pte", "pico")
    (tmp_path / "tinysam2.pte").touch()
    assert read_card(tmp_path, tinysam2.target("executorch")).config is pico


def test_its_budget_is_the_one_that_it_is_held_to(pico, tmp_path):
    assert read_budget(None, "pico") is BUDGET
    (tmp_path / "b.json").write_text('{"total": 7}')
    assert read_budget(tmp_path / "b.json", "pico").total.mib == 7

    class Chain:
        memory_tokens, bank_bytes = 1, 2**20

    assert [gate.limit for gate in memory_gates(pico, None, Chain)] == [pico.memory_tokens, 5]


def test_the_commands_offer_it(pico):
    run = CliRunner().invoke
    assert "|nano|pico]" in run(commands, ["convert", "--help"]).stdout
    assert "pico" in run(commands, ["presets"]).stdout


def test_what_is_taken_out_is_gone():
    tinysam2.register_preset(PICO, BUDGET)
    tinysam2.unregister_preset("pico")
    assert "pico" not in PRESETS
    assert "pico" not in DEFAULT_BUDGETS
    with pytest.raises(InputError, match="unknown preset 'pico'"):
        tinysam2.unregister_preset("pico")


@pytest.mark.parametrize(
    ("name", "message"), [("nano", "'nano' is already registered"), ("a/b", "cannot be named 'a/b'")]
)
def test_a_name_that_cannot_be_had_is_refused_and_nothing_changes(name, message):
    before = dict(PRESETS), dict(DEFAULT_BUDGETS)
    with pytest.raises(InputError, match=message):
        tinysam2.register_preset(replace(PICO, name=name), BUDGET)
    assert before == (dict(PRESETS), dict(DEFAULT_BUDGETS))


def test_a_preset_without_a_budget_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="preset 'pico' has no memory budget; register it with one"):
        read_budget(None, "pico")
