"""The presets are as small as the paper says, and a config that cannot be built names its fault."""

from dataclasses import replace

import pytest

from tinysam2.core.config import (
    DENSE_BANK,
    PRESETS,
    REPVIT_VARIANTS,
    AttentionConfig,
    BankConfig,
    ModelConfig,
    RepViTConfig,
    preset,
)
from tinysam2.core.errors import InputError

NANO = PRESETS["nano"]


@pytest.mark.parametrize(("name", "tokens"), [("tinysam2", 1984), ("tinysam2-512", 496), ("nano", 124)])
def test_each_preset_keeps_seven_percent_of_the_dense_tokens(name, tokens):
    config = preset(name)
    assert config.memory_tokens == tokens
    assert config.memory_token_share == pytest.approx(0.0692, abs=5e-5)
    assert config.with_bank(DENSE_BANK).memory_token_share == 1


def test_the_largest_preset_without_compression_is_as_large_as_sam2s_memory():
    assert preset("tinysam2").with_bank(DENSE_BANK).memory_tokens == 28_672


def test_a_bank_takes_a_thirteenth_of_sam2s_memory():
    config = preset("tinysam2")
    fp16_mib = 2 * config.memory_tokens * (config.memory_dim + 2) / 2**20
    assert fp16_mib < 3.5 / 13


def test_sizes_follow_from_the_image_and_the_bank():
    config = replace(NANO, image_size=128, bank=BankConfig(slots=3, spatial_pool=4, tokens_per_frame=2))
    assert (config.grid, config.mask_size, config.pooled_tokens) == (8, 32, 4)
    assert (config.tokens_per_frame, config.memory_tokens, config.tokens_per_pointer) == (2, 4 + 2 * 2, 4)


def test_a_bank_without_selection_keeps_all_pooled_tokens():
    config = NANO.with_bank(BankConfig(tokens_per_frame=None))
    assert config.tokens_per_frame == config.pooled_tokens == 64
    assert config.memory_token_share == 0.25


def test_an_unknown_preset_is_refused_with_the_ones_there_are():
    with pytest.raises(InputError, match=r"unknown preset 'large'; the presets are tinysam2, tinysam2-512, nano"):
        preset("large")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_its_own_name(name):
    assert preset(name).name == name


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [
        ("widths", (48, 96, 192), "four positive even channel counts"),
        ("widths", (48, 96, 192, 383), "four positive even channel counts"),
        ("widths", (0, 96, 192, 384), "four positive even channel counts"),
        ("depths", (1, 1, 1), "four positive counts"),
        ("depths", (1, 0, 1, 1), "four positive counts"),
        ("mlp_ratio", 0, "at least 1"),
    ],
)
def test_a_trunk_that_cannot_be_built_names_the_field_and_what_is_valid(field, value, valid):
    assert_refused(lambda: replace(REPVIT_VARIANTS["nano"], **{field: value}), RepViTConfig, field, value, valid)


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [
        ("slots", 1, "at least 2: one conditioning frame and one recent"),
        ("pointers", 1, "at least 2: one conditioning pointer and one recent"),
        ("spatial_pool", 0, "at least 1"),
        ("tokens_per_frame", 0, "at least 1, or None to keep all"),
        ("quality_threshold", -0.1, "in [0, 1)"),
        ("quality_threshold", 1.0, "in [0, 1)"),
        ("quality_threshold", float("nan"), "in [0, 1)"),
        ("level_frames", 0, "1 to 64: retention stays exact in fp16"),
        ("level_frames", 65, "1 to 64: retention stays exact in fp16"),
        ("foreground_weight", -1e-9, "at least 0, and finite"),
        ("foreground_weight", float("inf"), "at least 0, and finite"),
        ("foreground_weight", float("nan"), "at least 0, and finite"),
        ("boundary_weight", -1e-9, "at least 0, and finite"),
        ("boundary_weight", float("inf"), "at least 0, and finite"),
        ("boundary_weight", float("nan"), "at least 0, and finite"),
    ],
)
def test_a_bank_that_cannot_be_built_names_the_field_and_what_is_valid(field, value, valid):
    assert_refused(lambda: BankConfig(**{field: value}), BankConfig, field, value, valid)


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [
        ("image_size", 0, "a multiple of 32"),
        ("image_size", 100, "a multiple of 32"),
        ("hidden_dim", 0, "at least 1"),
        ("hidden_dim", -16, "at least 1"),
        ("hidden_dim", 24, "a multiple of 16 and of twice decoder_heads"),
        ("memory_dim", 0, "at least 1"),
        ("memory_dim", 6, "a multiple of 4 that divides hidden_dim"),
        ("memory_dim", 48, "a multiple of 4 that divides hidden_dim"),
        ("memory_layers", 0, "at least 1"),
        ("memory_feedforward_dim", 0, "at least 1"),
        ("decoder_layers", 0, "at least 1"),
        ("decoder_heads", 0, "at least 1"),
        ("decoder_feedforward_dim", 0, "at least 1"),
        ("mask_embedding_dim", 0, "at least 1"),
        ("mask_embedding_dim", 6, "a multiple of 4"),
        ("fuser_layers", 0, "at least 1"),
        ("fuser_expansion", 0, "at least 1"),
        ("fuser_kernel", 4, "a positive odd number"),
        ("mask_downsampler_widths", (256,), "two or more positive channel counts"),
        ("mask_downsampler_widths", (4, 0), "two or more positive channel counts"),
    ],
)
def test_a_model_that_cannot_be_built_names_the_field_and_what_is_valid(field, value, valid):
    assert_refused(lambda: replace(NANO, **{field: value}), ModelConfig, field, value, valid)


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        (BankConfig(spatial_pool=3), r"BankConfig.spatial_pool is 3; it must divide the feature grid, 16"),
        (
            BankConfig(spatial_pool=4, tokens_per_frame=17),
            r"BankConfig.tokens_per_frame is 17; it must be at most the 16 tokens that pooling leaves of a frame",
        ),
    ],
)
def test_a_bank_that_does_not_fit_its_model_says_why(bank, message):
    with pytest.raises(ValueError, match=message):
        NANO.with_bank(bank)


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [("query_pool", 0, "at least 1"), ("key_pool", 0, "at least 1"), ("window", 0, "a multiple of key_pool")],
)
def test_an_attention_that_cannot_be_built_names_the_field_and_what_is_valid(field, value, valid):
    assert_refused(lambda: AttentionConfig(**{field: value}), AttentionConfig, field, value, valid)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (AttentionConfig(query_pool=3), r"AttentionConfig.query_pool is 3; it must divide the feature grid, 16"),
        (AttentionConfig(key_pool=3), r"AttentionConfig.key_pool is 3; it must divide the query grid, 16"),
        (AttentionConfig(query_pool=2, window=16), r"AttentionConfig.window is 16; it must divide the query grid, 8"),
    ],
)
def test_an_attention_that_does_not_fit_its_model_says_why(attention, message):
    with pytest.raises(ValueError, match=message):
        replace(NANO, attention=attention)


def assert_refused(build, owner: type, field: str, value: object, valid: str) -> None:
    with pytest.raises(ValueError, match=field) as refusal:
        build()
    sentence = str(refusal.value)
    assert sentence.startswith(f"{owner.__name__}.{field} is {value!r}; it must be ")
    assert valid in sentence
