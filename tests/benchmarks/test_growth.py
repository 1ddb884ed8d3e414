"""Growth: fits of known curves, sizes of a preset, and what the command refuses."""

import functools
import json
import time

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.frame.contenders import Setting
from benchmarks.frame.timing import Spread, in_turn
from benchmarks.growth.command import print_growth, varied
from benchmarks.growth.fitting import Line, exponent, line
from benchmarks.growth.measuring import (
    READINGS,
    SETTLED,
    Point,
    at_size,
    backend_of,
    over_frames,
    over_objects,
    over_sizes,
    with_tokens,
)
from tests.benchmarks.tiny import TINY
from tinysam2.core.config import preset, unregister_config
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.quantization.recipe import PROGRAMS


@pytest.fixture
def backend(tmp_path):
    return backend_of(Setting(TINY, "torch", "fp32", 1, tmp_path))


def test_a_line_is_found_again():
    found = line([1, 2, 4], [5.0, 7.0, 11.0])
    assert (found.start, found.slope, found.fit) == pytest.approx((3.0, 2.0, 1.0))
    assert line([1, 2], [4.0, 4.0]) == Line(pytest.approx(4.0), pytest.approx(0.0), 1.0)


def test_a_power_is_found_again():
    sides = np.array([256.0, 512.0, 1024.0])
    assert exponent(sides, 3 * sides**2.5) == pytest.approx(2.5)
    assert exponent(sides, [0.0, 1.0, 2.0]) is None


def test_another_size_keeps_the_share_of_dense_memory():
    large = preset("tinysam2")
    half = at_size(large, 512)
    assert half.image_size == 512
    assert half.memory_token_share == pytest.approx(large.memory_token_share, rel=0.01)
    assert with_tokens(large, 40).memory_tokens == 1024 + 6 * 40


def test_a_size_that_cannot_be_made_is_refused(tmp_path):
    setting = Setting(preset("nano"), "torch", "fp32", 1, tmp_path)
    with pytest.raises(InputError, match=r"nano cannot be made with 100: .*image_size is 100"):
        varied(setting, at_size, 100)


def test_a_varied_preset_is_registered_once(tmp_path):
    setting = Setting(preset("nano"), "torch", "fp32", 1, tmp_path)
    try:
        assert varied(setting, at_size, 64).config == varied(setting, at_size, 64).config == preset("nano-64px")
    finally:
        unregister_config("nano-64px")


def test_a_long_video_is_cut_into_equal_points(backend):
    done = []
    frames = SETTLED + 2 * READINGS
    found = over_frames(Tracker(backend), frames, done.append, time.perf_counter)
    assert found["frames"] == list(range(SETTLED + 2, frames + 1, 2))
    assert len(found["seconds"]) == READINGS
    assert done == list(range(1, frames + 1))
    assert found["bank_bytes"] > 0
    assert json.loads(json.dumps(found)) == found


def test_too_short_a_video_is_refused(backend):
    with pytest.raises(ValueError, match="frames is 50; it must be at least 60"):
        over_frames(Tracker(backend), 50, print, time.perf_counter)


def test_banks_grow_with_the_objects(backend):
    found = over_objects(backend, (1, 3), functools.partial(in_turn, rounds=2))
    one, three = found["bank_bytes"]
    assert three == 3 * one
    assert set(found["seconds"]) == {"1", "3", "image_encoder"}


def test_powers_of_sizes_are_reported_and_printed(capsys):
    points = [
        Point(side, {part: Spread.of([side**2 * 1e-6]) for part in (*PROGRAMS, "frame")}, int(side)) for side in (8, 16)
    ]
    found = over_sizes(points)
    assert found["exponents"]["frame"] == pytest.approx(2.0)
    assert found["exponents"]["peak_memory"] == pytest.approx(1.0)
    print_growth({"sizes": found})
    assert "2.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["growth", "--frames", "10"], "--frames is 10; give at least 60, or 0 to leave it out"),
        (["growth", "--precision", "int8"], "torch runs int8 models in float"),
        (["growth", "--preset", "giant"], "unknown preset 'giant'"),
        (["frame", "--runtime", "torch", "--precision", "int8"], "torch runs int8 models in float"),
        (["frame", "--threads", "4096"], "--threads is 4096; this computer has"),
        (["growth", "--sizes", "256,many"], "'256,many' must be positive whole numbers between commas"),
        (["growth", "--sizes", "256"], "'256' is one number; a line needs two"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, sentence):
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 2
    assert sentence in ended.output
    assert "Traceback" not in ended.output


def test_help_has_an_example():
    for name in ("frame", "growth"):
        assert f"python -m benchmarks {name} --preset" in CliRunner().invoke(main, [name, "--help"]).output
