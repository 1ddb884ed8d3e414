"""The layers: who may import whom, what may load the heavy packages, and how long a file may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

CORE, DATA, SCORING = "tinysam2.core", "tinysam2.data", "tinysam2.scoring"
NETWORK, QUANTIZATION = "tinysam2.models.network", "tinysam2.models.quantization"
WEIGHTS, TRAINING = "tinysam2.models.weights", "tinysam2.models.training"
RUNTIME, CONVERTERS, VALIDATION = "tinysam2.mobile_runtime", "tinysam2.converters", "tinysam2.validation"

LAYERS = {
    CORE: {CORE},
    DATA: {DATA, CORE},
    SCORING: {SCORING, DATA, CORE},
    NETWORK: {NETWORK, CORE},
    QUANTIZATION: {QUANTIZATION, NETWORK, CORE},
    WEIGHTS: {WEIGHTS, QUANTIZATION, NETWORK, CORE},
    TRAINING: {TRAINING, WEIGHTS, QUANTIZATION, NETWORK, SCORING, DATA, CORE},
    RUNTIME: {RUNTIME, DATA, CORE},
    f"{RUNTIME}.torch_backend": {RUNTIME, NETWORK, DATA, CORE},
    CONVERTERS: {CONVERTERS, WEIGHTS, QUANTIZATION, NETWORK, CORE},
    VALIDATION: {VALIDATION, RUNTIME, TRAINING, WEIGHTS, QUANTIZATION, NETWORK, SCORING, DATA, CORE},
    "tinysam2": {"tinysam2"},
    "benchmarks": {"benchmarks", "tinysam2"},
    "tests": {"tests", "benchmarks", "tinysam2"},
}
"""Package or module -> what its files may import of ours; the longest name that fits a file counts.

Nobody else imports tests, tests alone import benchmarks, and nobody imports the linked folders by their bare names."""

BARE = {"models", "converters", "mobile_runtime", "validation"}
"""Folders at the top that are packages of `tinysam2`, and are imported as such only."""

LONGEST_FILE = 500

HEAVY = (
    "ai_edge_litert", "ai_edge_quantizer", "coremltools", "executorch", "litert_torch", "torch", "torchao",
    "transformers",
)  # fmt: skip
SLOW_TO_START = (*HEAVY, "PIL", "av", "numpy", "rich", "safetensors", "scipy")


def python_files(root: Path) -> Iterator[Path]:
    """Every file of ours, each by its real path."""
    for folder in ("tinysam2", *sorted(BARE), "benchmarks", "tests"):
        for path in sorted((root / folder).rglob("*.py")):
            # Python before 3.13 follows links here and later ones do not: each file counts once, where it lies.
            linked = folder == "tinysam2" and path.relative_to(root).parts[1] in BARE
            if "__pycache__" not in path.parts and not linked:
                yield path


def module_of(path: Path, root: Path) -> str:
    """The name that a file is imported by."""
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(("tinysam2", *parts) if parts[0] in BARE else parts)


def imported_modules(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in it; `from a import b` gives `a.b`."""
    module = module_of(path, root).split(".")
    package = module if path.name == "__init__.py" else module[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = (*base, *([node.module] if node.module else []))
            yield from ((node.lineno, ".".join((*parts, alias.name))) for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def faults(root: Path) -> list[str]:
    """Every import that the rules forbid, as `file:line: what is wrong`."""
    found = []
    for path in python_files(root):
        importer, name = module_of(path, root), path.relative_to(root).as_posix()
        layer = max((layer for layer in LAYERS if within(importer, layer)), key=len)
        for line, module in imported_modules(path, root):
            top = module.partition(".")[0]
            if top in BARE:
                found.append(f"{name}:{line}: import tinysam2.{module} in place of {module}")
            elif top in LAYERS and not any(within(module, allowed) for allowed in LAYERS[layer]):
                found.append(f"{name}:{line}: {layer} must not import {module}")
    return found


def test_every_layer_imports_only_what_the_table_allows():
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("models/network/a.py", "import tinysam2.converters.export", "must not import tinysam2.converters.export"),
        ("models/a.py", "import models.config", "import tinysam2.models.config in place of models.config"),
        ("models/weights/a.py", "from tinysam2.models.training import trainer", "must not import tinysam2.models.tr"),
        ("models/quantization/a.py", "import tinysam2.models.weights.checkpoint", "must not import tinysam2.models.w"),
        ("converters/a.py", "def f():\n    from tinysam2.validation.parity import g", "must not import tinysam2.val"),
        ("converters/a.py", "from tinysam2.mobile_runtime.tracker import Tracker", "must not import tinysam2.mobile"),
        ("validation/a.py", "import tinysam2.converters", "tinysam2.validation must not import tinysam2.converters"),
        ("tinysam2/b/a.py", "import tests.conftest", "tinysam2 must not import tests.conftest"),
        ("tinysam2/a.py", "import benchmarks.speed", "tinysam2 must not import benchmarks.speed"),
        ("tinysam2/core/a.py", "from ..data import clips", "tinysam2.core must not import tinysam2.data.clips"),
        ("mobile_runtime/a.py", "from tinysam2.models.network.tinysam2 import TinySAM2", "must not import"),
        ("mobile_runtime/torch_backend.py", "from tinysam2.models.weights import checkpoint", "must not import"),
        ("mobile_runtime/a.py", "import tinysam2", "must not import tinysam2"),
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
        ("mobile_runtime/torch_backend.py", "from tinysam2.models.network.programs import build_programs"),
        (
            "mobile_runtime/a.py",
            "from tinysam2.core.contract import AGES\nfrom tinysam2.core import config",
        ),
        ("validation/a.py", "from tinysam2.models.network.tinysam2 import TinySAM2\nimport numpy"),
        ("tinysam2/a.py", "from . import b\nfrom .c import d\nfrom tinysam2.converters.convert import convert_model"),
        ("tinysam2/data/a/__init__.py", "from . import b"),
    ],
)
def test_an_allowed_import_passes(tmp_path, path, source):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    assert faults(tmp_path) == []


def test_commands_import_nothing_from_each_other():
    folder = ROOT / "tinysam2/commands"
    found = [
        f"{path.name}:{line}: {module}"
        for path in folder.glob("*.py")
        for line, module in imported_modules(path, ROOT)
        if within(module, "tinysam2.commands")
    ]
    assert found == []


def loaded_by(code: str) -> set[str]:
    """The top-level packages in memory after a fresh interpreter ran some code."""
    report = "import sys; print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(ended.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "module",
    [
        "tinysam2",
        "tinysam2.cli",
        "tinysam2.core.artifacts",
        "tinysam2.core.config",
        "tinysam2.core.contract",
        "tinysam2.core.targets",
    ],
)
def test_a_light_module_loads_no_heavy_package(module):
    assert loaded_by(f"import {module}").isdisjoint(SLOW_TO_START)


@pytest.mark.parametrize("module", ["tinysam2.mobile_runtime.tracker", "tinysam2.data.prompts", "tinysam2.data.clips"])
def test_media_and_tracker_load_neither_torch_nor_a_toolchain(module):
    assert loaded_by(f"import {module}").isdisjoint(HEAVY)


def test_no_file_is_longer_than_one_sitting():
    too_long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in python_files(ROOT)
        if not path.name.endswith("_generated.py")
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert too_long == {}
