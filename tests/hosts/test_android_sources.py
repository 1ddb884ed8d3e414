"""The Android host code's sources: what the core may use, and that it holds no number of a model."""

import re
from pathlib import Path

import pytest

HOST = Path(__file__).resolve().parents[2] / "hosts/android"
CORE = sorted((HOST / "src/core").rglob("*.kt"))
PLAIN = sorted({*CORE, *(HOST / "src/replay").rglob("*.kt")})

IMPORT = re.compile(r"^import (\S+)", re.MULTILINE)
LIBRARIES = (
    "java.io.", "java.nio.Byte", "java.nio.Float", "java.security.MessageDigest", "java.util.concurrent.locks.",
    "kotlin.", "kotlinx.coroutines.", "org.tinysam2.",
)  # fmt: skip
"""What is in every Android since API 24, and coroutines; `java.nio.file` is not before API 26."""


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_core_and_replay_import_nothing_that_android_7_or_plain_kotlin_lacks(path):
    imported = IMPORT.findall(path.read_text(encoding="utf-8"))
    assert [name for name in imported if not name.startswith(LIBRARIES)] == []


@pytest.mark.parametrize("path", [p for p in CORE if p.stem != "JsonReader"], ids=lambda path: path.stem)
def test_the_core_holds_no_shape_of_a_preset(path):
    from tinysam2.core.config import PRESETS
    from tinysam2.core.contract import program_contract

    # 0 to 4 are counts of channels, coordinates and corners.
    shapes = {
        size
        for config in PRESETS.values()
        for program in program_contract(config).values()
        for tensor in (*program.inputs, *program.outputs)
        for size in tensor.shape
        if size > 4
    }
    code = re.sub(r"//.*|/\*.*?\*/|\"[^\"\n]*\"", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    numbers = {int(number) for number in re.findall(r"(?<![\w.])\d+(?![\w.])", code)}
    assert numbers & shapes == set()
