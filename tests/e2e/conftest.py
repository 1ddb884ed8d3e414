"""Real artifacts of the nano preset, converted once a run for all end-to-end tests."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from tinysam2.cli import commands
from tinysam2.core.artifacts import ArtifactCard, read_card, targets_in
from tinysam2.core.config import preset
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.models.weights.checkpoint import LoadedModel, load_model

FRAMES = 12


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """made_once(name, make): the folder of that name, which `make(folder)` fills once a run.

    Under pytest-xdist the workers are processes: they share the folders, and wait for one another.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def made(name: str, make: Callable[[Path], object]) -> Path:
        place = folder / name
        with FileLock(folder / f"{name}.lock"):
            if not place.is_dir():
                unfinished = folder / f"{name}.unfinished"
                # What a test that failed has left there.
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(place)
        return place

    return made


@pytest.fixture(scope="session")
def converted(made_once):
    """converted(loaded, precisions): the folder of a model's artifacts, converted once a run; not to be changed.

    Beside it lies what was told of the steps: the folder's name and `.steps`.
    """
    from tinysam2.converters.convert import convert_model

    def convert(loaded: LoadedModel, precisions: Mapping[str, str]) -> Path:
        wanted = "-".join(f"{target}-{precision}" for target, precision in sorted(precisions.items()))
        name = f"{loaded.model.config.name}-{loaded.digest[:16]}-{wanted}"

        def make(folder: Path) -> None:
            steps: list[str] = []
            convert_model(loaded, precisions, folder, lambda share, step: steps.append(f"{share} {step}"))
            folder.with_name(f"{name}.steps").write_text("\n".join(steps))

        return made_once(name, make)

    return convert


@pytest.fixture
def conversions_shared(monkeypatch, converted):
    """Commands that convert get the run's artifacts, so that each is converted once."""
    import tinysam2.converters.convert

    def copy(loaded: LoadedModel, precisions: Mapping[str, str], folder: Path, *how, **more) -> list[ArtifactCard]:
        shutil.copytree(converted(loaded, precisions), folder, dirs_exist_ok=True)
        return [read_card(folder, target) for target in targets_in(folder)]

    monkeypatch.setattr(tinysam2.converters.convert, "convert_model", copy)


@pytest.fixture(scope="session")
def clip(made_once) -> Path:
    """The sample clip, two objects, as a folder with `frames/` and `masks/`."""
    return made_once("clip", lambda folder: write_sample_clip(folder / "koi", frames=FRAMES, objects=2)) / "koi"


@pytest.fixture(scope="session")
def short_clip(made_once) -> Path:
    """Its first frames."""
    return made_once("short", lambda folder: write_sample_clip(folder / "koi", frames=3, objects=2)) / "koi"


@pytest.fixture(scope="session")
def loaded():
    return load_model(preset("nano"))


@pytest.fixture(scope="session")
def artifacts(converted, loaded) -> Path:
    """All three targets at their default precision, in one folder."""
    return converted(loaded, {target.name: target.default_precision for target in TARGETS.values()})


@pytest.fixture(scope="session")
def other_artifacts(converted, loaded) -> Path:
    """The targets that have a second precision, at that."""
    return converted(loaded, {"coreml": "fp32", "tflite": "fp16"})


@pytest.fixture(scope="session")
def int8_artifacts(converted) -> Path:
    """All three targets in int8, in one folder, of the shipped int8 weights."""
    return converted(load_model(preset("nano"), quantized=True), dict.fromkeys(TARGETS, INT8))


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
