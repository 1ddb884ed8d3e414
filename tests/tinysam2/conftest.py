"""A command line to run in process, tiny clips to run it on, and what a refusal must look like."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tinysam2.cli import commands
from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.contract import program_contract
from tinysam2.core.targets import TARGETS
from tinysam2.data.overlay import VideoWriter
from tinysam2.data.sample_clip import SampleClip, render_sample_clip, write_sample_clip

SIZE = (96, 72)
FRAMES = 4


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Runs the command line in this process: what it printed, its exit code."""
    return lambda *arguments: CliRunner().invoke(commands, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def pond() -> SampleClip:
    return render_sample_clip(FRAMES, SIZE, objects=2)


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """A folder of four frames, 96x72, with masks of two objects; tests must not change it."""
    return write_sample_clip(tmp_path_factory.mktemp("clips") / "pond", FRAMES, SIZE, objects=2)


@pytest.fixture(scope="session")
def video(tmp_path_factory, pond) -> Path:
    """The same clip as a video file."""
    path = tmp_path_factory.mktemp("videos") / "pond.mp4"
    with VideoWriter(path, 24) as writer:
        for frame in pond.frames:
            writer.write(frame)
    return path


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Everything in a folder, hidden files too: name -> bytes."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="session")
def assert_refused() -> Callable[..., None]:
    """A refusal: one sentence with these words on standard error, status 2, nothing on standard output."""

    def check(result: Result, *words: str) -> None:
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 2, result.output
        [sentence] = result.stderr.splitlines()
        assert sentence.startswith("error: ")
        assert "Traceback" not in sentence
        for word in words:
            assert word in sentence
        assert result.stdout == ""

    return check


@pytest.fixture(scope="session")
def write_card() -> Callable[..., None]:
    """Writes a valid card of a target's artifacts into a folder, beside an empty file unless there is one."""

    def write(folder: Path, target: str, file: str, preset: str = "nano") -> ArtifactCard:
        from tinysam2.core.config import PRESETS

        chosen = TARGETS[target]
        card = ArtifactCard(
            target=target,
            preset=preset,
            precision=chosen.default_precision,
            io_dtype=chosen.precisions[chosen.default_precision],
            files=dict.fromkeys(program_contract(PRESETS[preset]), file),
            weights="seeded weights",
            weights_digest="0" * 64,
            trained=False,
            versions={},
        )
        if not (folder / file).exists():
            (folder / file).touch()
        card = card.sealed(folder)
        card.write(folder)
        return card

    return write
