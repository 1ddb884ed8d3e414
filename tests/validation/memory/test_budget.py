"""A budget file changes what it names, and nothing is taken for a limit that is none."""

import json

import pytest

from tinysam2.core.config import PRESETS, preset
from tinysam2.core.contract import bank_spec
from tinysam2.core.errors import InputError
from tinysam2.core.units import MIB
from tinysam2.validation.memory.budget import DEFAULT_BUDGETS, LIMITS, Limit, read_budget
from tinysam2.validation.memory.float_model import float_memory


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        (tmp_path / "b.json").write_text(text)
        return tmp_path / "b.json"

    return write


def test_every_preset_has_a_budget_and_every_limit_a_reason():
    assert set(DEFAULT_BUDGETS) == set(PRESETS)
    for budget in DEFAULT_BUDGETS.values():
        assert all(getattr(budget, name).reason for name in LIMITS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_banks_tensors_fit_each_presets_budget_with_little_to_spare(name):
    elements = 0
    for spec in bank_spec(preset(name)):
        count = 1
        for side in spec.shape:
            count *= side
        elements += count
    assert 0.8 < 4 * elements / MIB / DEFAULT_BUDGETS[name].bank.mib <= 1


@pytest.mark.parametrize("name", PRESETS)
def test_the_float_model_fits_each_presets_budget(name):
    memory, budget = float_memory(preset(name)), DEFAULT_BUDGETS[name]
    assert max(program.activations.bytes for program in memory.programs.values()) <= budget.activations.mib * MIB
    assert memory.weights.bytes <= budget.weights.mib * MIB
    assert memory.total.bytes <= budget.total.mib * MIB


def test_a_file_changes_the_limits_that_it_names_and_no_other(write):
    budget = read_budget(write('{"activations": 1.5, "growth_over_300_frames": 2}'), "nano")
    assert budget.activations == Limit(1.5, "the limit in b.json")
    assert budget.growth_over_300_frames.mib == 2
    for name in ("bank", "weights", "total"):
        assert getattr(budget, name) == getattr(DEFAULT_BUDGETS["nano"], name)


def test_without_a_file_the_presets_own_stands():
    assert read_budget(None, "nano") == DEFAULT_BUDGETS["nano"]


@pytest.mark.parametrize("value", [-1, True, "3", None, []])
def test_a_limit_that_is_no_number_is_refused(write, value):
    with pytest.raises(InputError, match=r"b\.json: total is .*; it must be a number of MiB, at least 0"):
        read_budget(write(json.dumps({"total": value})), "nano")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_limit_that_json_does_not_have_is_refused(write, value):
    with pytest.raises(InputError, match=r"b\.json is not JSON \(.*\); write "):
        read_budget(write(json.dumps({"total": value})), "nano")


def test_an_unknown_limit_is_refused_with_those_there_are(write):
    with pytest.raises(InputError, match=r"unknown limit 'totl'; the limits are bank, activations, weights, total, g"):
        read_budget(write('{"totl": 3}'), "nano")


@pytest.mark.parametrize("text", ["", "{", "[3]", "3", "\x00"])
def test_a_file_that_is_no_object_is_refused(write, text):
    with pytest.raises(InputError, match=r"b\.json is not (a )?JSON"):
        read_budget(write(text), "nano")


@pytest.mark.parametrize("path", ["absent.json", "."])
def test_a_file_that_is_not_there_is_refused(tmp_path, path):
    with pytest.raises(InputError, match="does not exist"):
        read_budget(tmp_path / path, "nano")
