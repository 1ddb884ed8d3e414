"""The command in a pipeline, on real artifacts: the masks of the serial run."""

import subprocess
import sys

import pytest

from tinysam2.core.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_a_pipeline_writes_the_serial_masks_in_every_byte(target, int8_artifacts, clip, tmp_path):
    # Processes of their own: a pipeline keeps ExecuTorch's pool, which is the process's, on one thread.
    command = [sys.executable, "-m", "tinysam2", "track", clip / "frames", "--backend", target]
    for how in ("--serial", "--pipeline"):
        options = ["--artifacts", int8_artifacts, "--mask", clip / "masks/00000.png", "--output", tmp_path / how, how]
        subprocess.run([*map(str, (*command, *options))], check=True, capture_output=True)
    masks = sorted((tmp_path / "--serial").glob("*.png"))
    assert len(masks) > 1
    for mask in masks:
        assert mask.read_bytes() == (tmp_path / "--pipeline" / mask.name).read_bytes()
