"""SAM 2.1-tiny and EdgeTAM, counted on `transformers`: as large as published, and everything in some program."""

import importlib.util

import pytest

from tinysam2.core.config import PRESETS
from tinysam2.core.contract import program_contract
from tinysam2.validation.cost import peer_models
from tinysam2.validation.cost.count import model_cost
from tinysam2.validation.cost.peers import PEERS

MIB = 2**20


@pytest.fixture(scope="module")
def sam2():
    return PEERS["SAM 2.1-tiny"]()


@pytest.fixture(scope="module")
def edgetam():
    return PEERS["EdgeTAM"]()


@pytest.fixture(scope="module")
def tinysam2():
    return model_cost(PRESETS["tinysam2"])


def test_sam2_tiny_is_as_large_as_published(sam2):
    assert sam2.cost.trained_parameters == pytest.approx(sam2.published_parameters, rel=0.005)


def test_edgetam_has_13_9_million_parameters_before_folding(edgetam):
    assert edgetam.cost.trained_parameters == pytest.approx(13.9e6, rel=0.001)


def test_every_parameter_belongs_to_one_program(sam2):
    assert sam2.cost.parameters == sam2.cost.trained_parameters
    assert list(sam2.cost.programs) == list(program_contract(PRESETS["tinysam2"]))


def test_edgetams_image_encoder_is_ours(edgetam, tinysam2):
    assert edgetam.cost.programs["image_encoder"] == tinysam2.programs["image_encoder"]


def test_memories_are_as_long_as_published(sam2, edgetam):
    assert sam2.cost.memory_tokens == 28_672
    assert edgetam.cost.memory_tokens == 3_584
    # Tokens of 64 values and 16 pointers of 256.
    assert sam2.cost.bank_bytes("fp16") == 2 * (28_672 * 64 + 16 * 256)


def test_memory_attention_is_what_its_sizes_say(sam2):
    """Four layers over 4,096 queries of width 256: 28,672 tokens and 64 pointer tokens of width 64."""
    queries, width, keys, narrow, hidden = 64**2, 256, 28_672 + 64, 64, 2048
    self_attention = 4 * queries * width**2 + 2 * queries**2 * width
    cross_attention = 2 * queries * width**2 + 2 * keys * narrow * width + 2 * queries * keys * width
    feed_forward = 2 * queries * width * hidden
    expected = 4 * (self_attention + cross_attention + feed_forward)
    assert sam2.cost.programs["memory_attention"].macs == expected


def test_a_fused_attention_keeps_no_scores_and_changes_nothing_else(sam2, edgetam):
    for peer in (sam2, edgetam):
        written_out = peer.cost.programs["memory_attention"].peak_activation_bytes
        assert peer.fused_peak_bytes["memory_attention"] < written_out
    scores = 4 * 64**2 * (28_672 + 64)
    assert sam2.cost.programs["memory_attention"].peak_activation_bytes > 2 * scores
    assert sam2.fused_peak_bytes["memory_attention"] < scores


def test_tinysam2_takes_less_than_edgetam_where_they_differ(tinysam2, edgetam):
    ours, theirs = tinysam2.programs["memory_attention"], edgetam.cost.programs["memory_attention"]
    assert ours.macs < theirs.macs
    assert tinysam2.bank_bytes("fp16") < 0.6 * edgetam.cost.bank_bytes("fp16")


def test_tinysam2_keeps_at_most_7_percent_of_the_tokens_counted_for_sam2(tinysam2, sam2):
    assert tinysam2.memory_tokens <= 0.07 * sam2.cost.memory_tokens


def test_without_transformers_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'tinysam2[tflite]'" in peer_models.missing()
