"""A command whose standard output or error the caller closed runs as if it went to the null device."""

import os
import shutil
import subprocess
import sys

import pytest

from tinysam2.data.masks import read_mask

CLOSED = [(2,), (1,), (1, 2), (0, 1, 2)]


@pytest.fixture
def started(tmp_path):
    """Runs the command line in a process that has these descriptors closed from its start: status, output and error."""

    def run(closed, *arguments):
        code = "from tinysam2.cli import main; main()"
        redirections = " ".join(f"{descriptor}>&-" for descriptor in closed)
        shell = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-c", code, *map(str, arguments)]
        ended = subprocess.run(shell, capture_output=True, text=True, cwd=tmp_path, env={**os.environ})
        return ended.returncode, ended.stdout, ended.stderr

    return run


@pytest.mark.parametrize("closed", CLOSED)
def test_a_table_is_printed_or_dropped(started, closed):
    status, output, error = started(closed, "presets")
    assert (status, error) == (0, "")
    assert ("nano" in output) == (1 not in closed)


@pytest.mark.parametrize("closed", CLOSED)
def test_a_clip_is_tracked_to_whole_masks(started, closed, clip, tmp_path):
    arguments = ("track", clip, "--backend", "torch", "--point", "40,30", "--output", "tracked")
    status, output, error = started(closed, *arguments)
    assert status == 0, error
    assert "Traceback" not in error
    assert ("4 frames, 1 object" in output) == (1 not in closed)
    masks = sorted((tmp_path / "tracked").glob("*.png"))
    assert [read_mask(path, (96, 72), allow_empty=True).shape for path in masks] == [(72, 96)] * 4


@pytest.mark.parametrize("closed", CLOSED)
def test_masks_are_scored(started, closed, clip, tmp_path):
    shutil.copytree(clip / "masks", tmp_path / "predictions/pond")
    status, output, error = started(closed, "score", "predictions", "--data", clip)
    assert status == 0, error
    assert "Traceback" not in error
    assert ("pond" in output) == (1 not in closed)


@pytest.mark.parametrize("closed", CLOSED)
def test_bad_input_keeps_its_status_and_leaves_standard_output_alone(started, closed):
    status, output, error = started(closed, "score", "absent", "--data", "absent")
    assert (status, output) == (2, "")
    assert error == ("" if 2 in closed else "error: the data set absent does not exist; name a folder\n")
