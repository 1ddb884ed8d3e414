"""`profile`: what it says of a preset and of its peers."""

import importlib.util
import json
import subprocess
import sys

import pytest

from tinysam2.core.contract import program_contract

TOP_LEVEL = {"preset", "parameters", "memory_tokens", "memory_token_share", "bank_bytes_fp16", "programs", "peers"}
BY_PROGRAM = {
    "parameters", "constants", "macs", "product_macs",
    "peak_activation_bytes", "input_bytes", "output_bytes", "weight_bytes",
}  # fmt: skip


@pytest.fixture(scope="module")
def ended():
    """The command as a process of its own, with whatever its toolchains print."""
    command = [sys.executable, "-c", "from tinysam2.cli import main; main()"]
    options = ["profile", "--preset", "tinysam2", "--json"]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def printed(ended):
    return json.loads(ended.stdout)


@pytest.fixture
def without_transformers(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *package: None if name.startswith("transformers") else find_spec(name, *package),
    )


def test_json_describes_the_model_and_each_program(printed, nano_model):
    assert printed.keys() >= TOP_LEVEL
    assert list(printed["programs"]) == list(program_contract(nano_model.config))
    for program in printed["programs"].values():
        assert program.keys() == BY_PROGRAM
        assert set(program["weight_bytes"]) == {"fp32", "fp16", "int8"}


def test_the_whole_is_the_sum_of_its_programs(printed):
    programs = printed["programs"].values()
    assert printed["parameters"] == sum(program["parameters"] for program in programs)
    assert printed["macs"] == sum(program["macs"] for program in programs)
    assert printed["weight_bytes"]["int8"] == sum(program["weight_bytes"]["int8"] for program in programs)
    assert printed["peak_activation_bytes"] == max(program["peak_activation_bytes"] for program in programs)


def test_tinysam2_is_within_its_budget_beside_sam2(printed):
    assert printed["memory_token_share"] <= 0.07
    assert printed["memory_tokens"] <= 0.07 * printed["peers"]["SAM 2.1-tiny"]["memory_tokens"]
    assert printed["bank_bytes_fp16"] <= 0.27 * 2**20
    assert printed["parameters"] <= 14_000_000


def test_peers_are_described_as_the_model_is_and_name_their_source(printed):
    assert list(printed["peers"]) == ["SAM 2.1-tiny", "EdgeTAM"]
    assert printed["peers_left_out"] is None
    for peer in printed["peers"].values():
        assert peer["programs"].keys() == printed["programs"].keys()
        assert peer["source"].startswith("https://github.com/")
    assert printed["peers"]["SAM 2.1-tiny"]["published_parameters"] == 38_900_000


def test_the_table_shows_programs_memory_and_peers(run):
    result = run("profile")
    assert result.exit_code == 0
    for name in ("image_encoder", "memory_encoder", "2,122,755", "int8 MiB", "SAM 2.1-tiny", "EdgeTAM", "28,672"):
        assert name in result.stdout
    assert "124 tokens, 6.92% of dense memory of as many frames; bank 12.3 KiB an object in fp16" in result.stdout


def test_without_transformers_the_peers_are_left_out_with_a_line_that_says_how_to_get_them(run, without_transformers):
    result = run("profile")
    assert result.exit_code == 0
    assert "image_encoder" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("install it with: pip install 'tinysam2[tflite]'")

    result = json.loads(run("profile", "--json").stdout)
    assert result["peers"] == {}
    assert "transformers" in result["peers_left_out"]


def test_an_unknown_preset_is_refused(run, assert_refused):
    assert_refused(run("profile", "--preset", "huge"), "unknown preset 'huge'")


def test_progress_goes_to_standard_error_and_the_toolchains_noise_nowhere(ended):
    assert ended.stderr.splitlines() == ["counting tinysam2", "counting SAM 2.1-tiny", "counting EdgeTAM"]
