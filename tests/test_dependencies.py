"""Dependencies: everything that the package imports is declared, and the core needs no converter."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read pyproject.toml by itself")

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ("tinysam2", "converters", "mobile_runtime", "models", "validation")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONVERTERS = ("coreml", "executorch", "tflite")

DISTRIBUTIONS = {
    "PIL": "pillow",
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "litert_torch": "litert-torch",
    "tree_sitter": "tree-sitter",
    "tree_sitter_swift": "tree-sitter-swift",
}
"""Imported name -> the distribution that brings it, where the two differ."""


def name_of(requirement: str) -> str:
    """The distribution that a requirement asks for, without extras and versions."""
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()


def names_of(requirements: list[str]) -> set[str]:
    return {name_of(requirement) for requirement in requirements}


CORE = names_of(PROJECT["dependencies"])
OPTIONAL = set().union(*(names_of(PROJECT["optional-dependencies"][extra]) for extra in CONVERTERS))


def foreign(source: str) -> Iterator[str]:
    """Every distribution that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ("tinysam2", "benchmarks", "tests"):
                yield DISTRIBUTIONS.get(top, top)


def imported(*folders: str) -> dict[str, set[str]]:
    """Distribution -> the files of these folders that import it."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for distribution in foreign(path.read_text(encoding="utf-8")):
                found.setdefault(distribution, set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_everything_that_the_package_imports_is_declared():
    undeclared = {name: files for name, files in imported(*PACKAGE).items() if name not in CORE | OPTIONAL}
    assert undeclared == {}


def test_everything_that_is_declared_is_imported():
    assert (CORE | OPTIONAL) - set(imported(*PACKAGE)) == set()


def test_everything_that_tests_and_benchmarks_import_is_declared():
    extras = PROJECT["optional-dependencies"]
    declared = CORE | OPTIONAL | names_of(extras["test"]) | names_of(extras["hosts"])
    undeclared = {name: files for name, files in imported("tests", "benchmarks").items() if name not in declared}
    assert undeclared == {}


def test_no_converter_is_a_core_dependency():
    only_optional = OPTIONAL - CORE
    assert {"coremltools", "executorch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer"} <= only_optional


def test_torch_is_a_range_in_the_core_and_pinned_where_a_converter_needs_it():
    [core] = [requirement for requirement in PROJECT["dependencies"] if name_of(requirement) == "torch"]
    assert re.fullmatch(r"torch>=\d+\.\d+,<\d+", core)
    extras = PROJECT["optional-dependencies"]
    pins = {next(pin for pin in extras[name] if name_of(pin) == "torch") for name in CONVERTERS}
    [pin] = pins
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", pin)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch.nn as nn", {"torch"}),
        ("def f():\n    from PIL import Image", {"pillow"}),
        ("from . import a\nimport os\nimport tinysam2.core", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(source, expected):
    assert set(foreign(source)) == expected


LOCKED = re.compile(r"^([\w.-]+)==(\S+) ", re.MULTILINE)


def test_the_lock_has_a_hash_for_everything_and_leaves_torch_to_the_machine():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    names = {name for name, _ in LOCKED.findall(lock)}
    assert not {name for name in names if name == "torch" or name.startswith(("nvidia-", "cuda-", "triton"))}


def test_the_lock_has_every_dependency_at_the_version_that_is_pinned():
    locked = set(LOCKED.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(text for extra in (*CONVERTERS, "test", "dev") for text in extras[extra])]
    wanted = [text for text in wanted if name_of(text) not in ("torch", "tinysam2")]
    assert names_of(wanted) <= {name for name, _ in locked}
    pinned = {tuple(text.split("==")) for text in wanted if "==" in text}
    assert pinned <= locked
