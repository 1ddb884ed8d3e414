"""The house rules: who may import whom, what may load the heavy packages, and how long a file may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ROOMS = {
    "models": {"models"},
    "mobile_runtime": {"mobile_runtime", "models"},
    "converters": {"converters", "models"},
    "validation": {"validation", "mobile_runtime", "models"},
    "tinysam2": {"tinysam2", "converters", "validation", "mobile_runtime", "models"},
    "benchmarks": {"benchmarks", "tinysam2", "converters", "validation", "mobile_runtime", "models"},
    "tests": {"tinysam2", "converters", "validation", "mobile_runtime", "models"},
}
"""Room -> the rooms that it may import. Nobody else imports tests or benchmarks."""

DOORS = {
    ("mobile_runtime", "models"): {
        "artifacts",
        "config",
        "console",
        "contract",
        "errors",
        "files",
        "targets",
    },
}
"""Of a room that may be imported, the only modules that may; a runtime needs the contract, not the model."""

EXEMPT = {"mobile_runtime/torch_backend.py"}
"""Files that no door holds: the float model is what this one runs."""

LONGEST_FILE = 500

HEAVY = (
    "ai_edge_litert", "ai_edge_quantizer", "coremltools", "executorch", "litert_torch", "torch", "torchao",
    "transformers",
)  # fmt: skip
SLOW_TO_START = (*HEAVY, "PIL", "av", "numpy", "rich", "safetensors")


def python_files(root: Path, room: str) -> Iterator[Path]:
    return (path for path in sorted((root / room).rglob("*.py")) if "__pycache__" not in path.parts)


def imported_modules(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in it; `from a import b` gives `a.b`."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = (*base, *([node.module] if node.module else []))
            yield from ((node.lineno, ".".join((*parts, alias.name))) for alias in node.names)


def faults(root: Path) -> list[str]:
    """Every import that the rules forbid, as `file:line: what is wrong`."""
    found = []
    for room, allowed in ROOMS.items():
        for path in python_files(root, room):
            name = path.relative_to(root).as_posix()
            for line, module in imported_modules(path, root):
                other, *rest = module.split(".")
                if other not in ROOMS:
                    continue
                doors = DOORS.get((room, other))
                if other not in allowed:
                    found.append(f"{name}:{line}: {room} must not import {module}")
                elif doors and name not in EXEMPT and not (rest and rest[0] in doors):
                    found.append(f"{name}:{line}: {room} must not import {module}, only {sorted(doors)}")
    return found


def test_every_room_imports_only_what_the_house_allows():
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("models/a.py", "import converters.export", "models must not import converters.export"),
        (
            "models/a.py",
            "from mobile_runtime import tracker",
            "models must not import mobile_runtime",
        ),
        ("converters/a.py", "def f():\n    from validation.parity import g", "converters must not import"),
        ("converters/a.py", "from mobile_runtime.tracker import Tracker", "converters must not import"),
        ("validation/a.py", "import converters", "validation must not import converters"),
        ("tinysam2/b/a.py", "import tests.conftest", "tinysam2 must not import tests.conftest"),
        ("tinysam2/a.py", "import benchmarks.speed", "tinysam2 must not import benchmarks.speed"),
        ("models/a.py", "from ..converters import export", "models must not import"),
        (
            "mobile_runtime/a.py",
            "from models.tinysam2 import TinySAM2",
            "not import models.tinysam2",
        ),
        ("mobile_runtime/a.py", "from models import bank", "not import models.bank"),
        ("mobile_runtime/a.py", "import models", "not import models, only"),
    ],
)
def test_a_forbidden_import_is_found_wherever_it_stands(tmp_path, path, source, fault):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    [found] = faults(tmp_path)
    assert found.startswith(f"{path}:")
    assert fault in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("mobile_runtime/torch_backend.py", "from models.programs import build_programs"),
        ("mobile_runtime/a.py", "from models.contract import program_contract\nfrom models import config"),
        ("validation/a.py", "from models.tinysam2 import TinySAM2\nimport numpy"),
        ("tinysam2/a.py", "from . import b\nfrom .c import d\nfrom converters.convert import convert_model"),
    ],
)
def test_an_allowed_import_passes(tmp_path, path, source):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    assert faults(tmp_path) == []


def loaded_by(code: str) -> set[str]:
    """The top-level packages in memory after a fresh interpreter ran some code."""
    report = "import sys; print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ended.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "module",
    ["tinysam2", "tinysam2.cli", "models.artifacts", "models.config", "models.contract", "models.targets"],
)
def test_a_light_module_loads_no_heavy_package(module):
    assert loaded_by(f"import {module}").isdisjoint(SLOW_TO_START)


@pytest.mark.parametrize("module", ["mobile_runtime.tracker", "mobile_runtime.prompts", "mobile_runtime.media.clips"])
def test_media_and_tracker_load_neither_torch_nor_a_toolchain(module):
    assert loaded_by(f"import {module}").isdisjoint(HEAVY)


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_is_longer_than_one_sitting(room):
    too_long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in python_files(ROOT, room)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert too_long == {}
