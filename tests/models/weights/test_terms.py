"""The licence travels with the weights: from an import or a training run, through every checkpoint, to the model."""

import pytest

from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.models.weights.checkpoint import load_model, save_checkpoint
from tinysam2.models.weights.importing.sources import KINDS
from tinysam2.models.weights.terms import Terms, terms_of


def test_terms_come_back_from_metadata():
    terms = Terms("CC-BY-4.0", ("SA-V", "mine"))
    assert terms_of(terms.metadata()) == terms


def test_a_checkpoint_that_states_none_is_not_stated():
    assert terms_of({}) == Terms("not stated", ())


def test_training_adds_its_data_and_keeps_the_licence():
    assert Terms("X", ("a",)).after_training(("b", "a")) == Terms("X", ("a", "b"))


def test_training_sets_the_licence_that_is_given():
    assert Terms("X").after_training(("b",), "Y") == Terms("Y", ("b",))


def test_a_loaded_model_tells_its_checkpoints_terms(small_model, small_config, tmp_path):
    terms = Terms("Apache-2.0", ("mine",))
    save_checkpoint(small_model.state_dict(), tmp_path / "mine.safetensors", terms.metadata())
    assert load_model(small_config, tmp_path / "mine.safetensors").terms == terms


def test_terms_that_cannot_be_read_are_refused(small_model, small_config, tmp_path):
    save_checkpoint(small_model.state_dict(), tmp_path / "mine.safetensors", {"trained_on": "{"})
    with pytest.raises(InputError, match=r"mine.safetensors has terms that cannot be read"):
        load_model(small_config, tmp_path / "mine.safetensors")


@pytest.mark.parametrize("quantized", [False, True])
def test_the_shipped_weights_are_non_commercial(quantized):
    assert load_model(preset("nano"), quantized=quantized).terms == Terms("CC-BY-NC-4.0", ("DAVIS 2016 train",))


def test_seeded_weights_are_under_the_codes_licence(small_config):
    assert load_model(small_config).terms == Terms("Apache-2.0")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_that_can_be_imported_has_its_licence(kind):
    assert kind.terms.licence == "Apache-2.0"
    assert kind.terms.trained_on
