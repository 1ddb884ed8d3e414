"""The wheel, installed into a fresh environment: what it holds, and that it runs beside folders of the same names."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LINKED = ("converters", "mobile_runtime", "models", "validation")
SOURCES = ("tinysam2", *LINKED, "hosts", "LICENSE", "README.md", "pyproject.toml")

DATA = (
    "tinysam2/py.typed",
    "tinysam2/converters/bundle/MODEL_CARD.md.j2",
    "tinysam2/converters/bundle/WEIGHTS.md.j2",
    "tinysam2/converters/bundle/licences/Apache-2.0.txt",
    "tinysam2/core/manifest.schema.json",
    "tinysam2/hosts/README.md",
    "tinysam2/models/weights/README.md",
    "tinysam2/models/weights/nano.safetensors",
    "tinysam2/models/weights/nano-int8.safetensors",
    "tinysam2/validation/reporting/report.schema.json",
    "tinysam2/validation/reporting/templates/page.css",
    "tinysam2/validation/reporting/templates/page.html.j2",
)


def ended_well(*command: object, cwd: Path, **variables: str) -> str:
    """Runs a command without this process's Python settings; returns its standard output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    ended = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment | variables, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def wheel_of(source: Path, folder: Path, cwd: Path) -> Path:
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    ended_well(sys.executable, "-m", "pip", "wheel", source, *options, "--wheel-dir", folder, cwd=cwd)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the sources, links as links: building leaves files behind."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    return wheel_of(checkout, tmp_path_factory.mktemp("wheel"), checkout)


@pytest.fixture(scope="module")
def wheel_of_sdist(checkout, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    ended_well(sys.executable, "-c", code, folder, cwd=checkout)
    [sdist] = folder.glob("*.tar.gz")
    return wheel_of(sdist, folder, folder)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """The scripts of a fresh environment: the wheel, and the packages that run this test but not its checkout."""
    folder = tmp_path_factory.mktemp("environment")
    ended_well(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    scripts = folder / "bin"
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    install = ("install", "--no-deps", "--no-index", "--quiet", wheel)
    ended_well(sys.executable, "-m", "pip", "--python", scripts / "python", *install, cwd=folder)
    # A path in a .pth file is searched, but the .pth files in it, an editable install's among them, are not read.
    (site / "dependencies.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return scripts


@pytest.fixture
def crowded(tmp_path) -> Path:
    """A folder with packages of the linked folders' names, each of which fails when it is imported."""
    for name in (*LINKED, "benchmarks", "tests"):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text(f"raise RuntimeError('{name} of the working folder was imported')\n")
    return tmp_path


@pytest.mark.parametrize("built", ["wheel", "wheel_of_sdist"])
def test_a_wheel_holds_one_package_with_all_its_modules_and_data(built, checkout, request):
    names = set(zipfile.ZipFile(request.getfixturevalue(built)).namelist())

    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tinysam2"}
    assert names.issuperset(DATA)
    modules = {path.relative_to(checkout).as_posix() for path in (checkout / "tinysam2").rglob("*.py")}
    for folder in LINKED:
        modules |= {f"tinysam2/{path.relative_to(checkout).as_posix()}" for path in (checkout / folder).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules


@pytest.mark.parametrize("built", ["wheel", "wheel_of_sdist"])
def test_a_wheel_states_the_licences_of_code_and_weights(built, request):
    with zipfile.ZipFile(request.getfixturevalue(built)) as wheel:
        [info] = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
        metadata = wheel.read(f"{info}/METADATA").decode()
        licence, weights = (
            wheel.read(f"{info}/licenses/{name}").decode() for name in ("LICENSE", "models/weights/README.md")
        )
    assert "License-Expression: Apache-2.0 AND CC-BY-NC-4.0" in metadata
    assert "Apache License" in licence
    assert "Non-commercial use only" in weights


@pytest.mark.parametrize("built", ["wheel", "wheel_of_sdist"])
def test_a_wheel_holds_the_host_code_whole(built, checkout, request):
    names = set(zipfile.ZipFile(request.getfixturevalue(built)).namelist())
    hosts = (path for path in (checkout / "hosts").rglob("*") if path.is_file())
    assert {f"tinysam2/{path.relative_to(checkout).as_posix()}" for path in hosts} <= names


def test_the_console_command_runs_beside_folders_of_the_same_names(environment, crowded):
    ended_well(environment / "tinysam2", "sample-clip", "clip", "--frames", "2", cwd=crowded)
    assert len(list((crowded / "clip/frames").iterdir())) == 2


def test_the_module_runs_beside_folders_of_the_same_names(environment, crowded):
    assert "nano" in ended_well(environment / "python", "-m", "tinysam2", "presets", cwd=crowded)


def test_the_installed_package_loads_its_own_weights(environment, crowded):
    code = """
import tinysam2
model = tinysam2.load_model(tinysam2.preset("nano")).model
print(tinysam2.__file__, sum(parameter.numel() for parameter in model.parameters()))
"""
    file, parameters = ended_well(environment / "python", "-c", code, cwd=crowded).split()
    assert Path(file).is_relative_to(environment.parent)
    assert int(parameters) > 0
