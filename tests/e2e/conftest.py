"""Real artifacts of the nano preset, converted once for all end-to-end tests."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tinysam2.cli import commands
from tinysam2.core.config import preset
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.models.weights.checkpoint import load_model

FRAMES = 12


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """The sample clip, two objects, as a folder with `frames/` and `masks/`."""
    return write_sample_clip(tmp_path_factory.mktemp("clip") / "koi", frames=FRAMES, objects=2)


@pytest.fixture(scope="session")
def loaded():
    return load_model(preset("nano"))


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory, loaded) -> Path:
    """All three targets at their default precision, in one folder."""
    return _converted(tmp_path_factory.mktemp("default"), loaded, coreml="fp16", executorch="fp32", tflite="fp32")


@pytest.fixture(scope="session")
def other_artifacts(tmp_path_factory, loaded) -> Path:
    """The targets that have a second precision, at that."""
    return _converted(tmp_path_factory.mktemp("other"), loaded, coreml="fp32", tflite="fp16")


@pytest.fixture(scope="session")
def int8_artifacts(tmp_path_factory) -> Path:
    """All three targets in int8, in one folder, of the shipped int8 weights."""
    folder = tmp_path_factory.mktemp("int8")
    return _converted(folder, load_model(preset("nano"), quantized=True), **dict.fromkeys(TARGETS, INT8))


@pytest.fixture
def copied(artifacts, tmp_path):
    """A function that copies the artifacts of some targets, to be broken."""

    def copy(*targets: str) -> Path:
        folder = tmp_path / "artifacts"
        folder.mkdir()
        for target in targets:
            card = artifacts / f"{target}.json"
            for name in (card.name, *set(json.loads(card.read_text())["files"].values())):
                source = artifacts / name
                (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        return folder

    return copy


@pytest.fixture(scope="session")
def run_tinysam2():
    """Runs a command line and returns click's result."""

    def run(*arguments: object):
        return CliRunner().invoke(commands, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def tinysam2(run_tinysam2):
    return run_tinysam2


def _converted(folder: Path, loaded, **precisions: str) -> Path:
    from tinysam2.converters.convert import convert_model

    convert_model(loaded, precisions, folder)
    return folder
