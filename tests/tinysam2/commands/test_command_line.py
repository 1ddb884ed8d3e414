"""The command line as a process: how it starts, what it says of itself, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tinysam2.cli import commands
from tinysam2.commands import COMMANDS
from tinysam2.core.errors import InputError
from tinysam2.data.sample_clip import write_sample_clip

MAIN = "from tinysam2.cli import main; main()"
CAPTURED = {"capture_output": True, "text": True, "check": False}

LISTING = "import atexit, sys; atexit.register(lambda: print(*sys.modules))"

HEAVY = {"PIL", "av", "numpy", "rich", "torch"}


def loaded_by(*arguments: str) -> set[str]:
    """The modules in memory at the end of a command."""
    ended = subprocess.run([sys.executable, "-c", f"{LISTING}; {MAIN}", *arguments], **CAPTURED)
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(arguments):
    assert loaded_by(*arguments).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "onnx"],
        ["convert", "coreml", "--preset", "huge"],
        ["convert", "executorch", "--precision", "fp16"],
        ["track", "clip.mp4", "--backend", "torch", "--output", "out"],
    ],
)
def test_a_request_that_cannot_be_met_is_refused_before_anything_heavy_is_loaded(arguments):
    assert loaded_by(*arguments).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    tinysam2 {name}" in result.stdout
    assert commands.get_command(None, name).short_help


def test_the_version_is_the_packages(run):
    assert run("--version").stdout.strip().endswith(version("tinysam2"))


def test_an_unknown_command_is_bad_input(run):
    assert run("fly").exit_code == 2


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (InputError("the clip is damaged; name a whole one"), 2, "the clip is damaged; name a whole one"),
        (KeyboardInterrupt(), 130, "interrupted; earlier outputs are as they were"),
        (OSError(28, "No space left on device"), 2, "the disk is full; free some of it, or write elsewhere"),
    ],
)
def test_what_goes_wrong_becomes_one_line_and_a_status(run, monkeypatch, tmp_path, raised, status, line):
    def fail(*arguments, **options):
        raise raised

    monkeypatch.setattr("tinysam2.data.sample_clip.write_sample_clip", fail)
    result = run("sample-clip", tmp_path / "clip")
    assert (result.exit_code, result.stderr) == (status, f"error: {line}\n")


def test_a_fault_of_our_own_is_not_passed_off_as_bad_input(run, monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise RuntimeError("a fault")

    monkeypatch.setattr("tinysam2.data.sample_clip.write_sample_clip", fail)
    result = run("sample-clip", tmp_path / "clip")
    assert result.exit_code == 1
    assert isinstance(result.exception, RuntimeError)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory) -> Path:
    return write_sample_clip(tmp_path_factory.mktemp("clips") / "long", frames=1, size=(640, 480))


@pytest.mark.parametrize(
    ("sent", "status", "line"),
    [
        (signal.SIGINT, 130, "error: interrupted; earlier outputs are as they were"),
        (signal.SIGTERM, 143, None),
    ],
)
def test_a_stopped_run_leaves_the_earlier_output_whole(tmp_path, long_clip, contents, sent, status, line):
    frame = long_clip / "frames/00000.jpg"
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(1000):
        (frames / f"{index:05d}.jpg").symlink_to(frame)
    results = tmp_path / "results"
    former = results / "tracked"
    former.mkdir(parents=True)
    (former / "overlay.mp4").write_bytes(b"the former video")
    earlier = contents(results)

    arguments = ["track", frames, "--backend", "torch", "--point", "320,240", "--output", former]
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(results.glob(".*/00000.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    os.kill(process.pid, sent)
    _, said = process.communicate(timeout=60)

    assert process.returncode == status
    assert said.splitlines()[2:] == ([line] if line else [])
    assert contents(results) == earlier


def test_a_refusal_by_the_real_process_is_one_line():
    options = ["--backend", "torch", "--point", "1,1", "--output", "o"]
    command = [sys.executable, "-c", MAIN, "track", "absent.mp4", *options]
    ended = subprocess.run(command, **CAPTURED)
    assert ended.returncode == 2
    assert ended.stderr == "error: absent.mp4 does not exist; name a video file or a folder of frames\n"
    assert ended.stdout == ""
