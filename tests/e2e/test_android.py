"""The Android host code on the JVM: compiled, linted, tested, and run on real artifacts."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.hosts import kotlin_tools
from tinysam2.converters.bundle.writer import Contents, write_bundle
from tinysam2.core.artifacts import read_card
from tinysam2.core.targets import TARGETS
from tinysam2.data.prompts import Prompt
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.validation.golden import recording
from tinysam2.validation.golden.reading import read_golden
from tinysam2.validation.golden.schemas import results_schema
from tinysam2.validation.golden.trace import TraceFrame

RUNTIMES = {"tflite": "ai-edge-litert", "executorch": "executorch"}
HOST, HERE = kotlin_tools.HOST, kotlin_tools.HERE / "android"


@dataclass(frozen=True)
class Compiled:
    """Jars and the shim, in a folder."""

    folder: Path

    @property
    def classes(self) -> list[Path]:
        libraries = kotlin_tools.kotlin_library(
            "kotlin-stdlib", "kotlinx-coroutines-core-jvm", "kotlin-test", "kotlin-test-junit"
        )
        return [self.folder / "core.jar", self.folder / "all.jar", *libraries, *kotlin_tools.JUNIT]

    @property
    def shim(self) -> Path:
        return self.folder / "libtinysam2_executorch.so"


@pytest.fixture(scope="session")
def tools():
    """CI must have all of them; elsewhere tests that need them are skipped where one is missing."""
    if missing := kotlin_tools.missing_tool():
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def compiled(tools, made_once) -> Compiled:
    """The host code, compiled without warnings: the core by itself, then all that is built on it.

    Against ExecuTorch's real Android classes, and stubs in memory of Android's and LiteRT's.
    """

    def compile_all(folder: Path) -> None:
        libraries = kotlin_tools.kotlin_library("kotlin-stdlib", "kotlinx-coroutines-core-jvm")
        kotlin_tools.compile_kotlin([HOST / "src/core"], folder / "core.jar", 11, libraries)
        sources = [HOST / "src" / name for name in ("main", "replay", "androidTest", "jvm/kotlin", "test")]
        sources += [HERE / "stubs", HERE / "faces", kotlin_tools.ROOT / "examples/android"]
        libraries += [*kotlin_tools.kotlin_library("kotlin-test", "kotlin-test-junit"), *kotlin_tools.JUNIT]
        libraries += [kotlin_tools.executorch_classes()]
        kotlin_tools.compile_kotlin(sources, folder / "all.jar", 22, libraries, [folder / "core.jar"])
        kotlin_tools.compile_executorch_shim(Compiled(folder).shim)

    return Compiled(made_once("android-host", compile_all))


def written_bundle(artifacts: Path, folder: Path) -> None:
    """The int8 artifacts as an Android bundle; the report is a stand-in."""
    cards = [read_card(artifacts, TARGETS[target]) for target in RUNTIMES]
    report = {"targets": [{"target": target, "passed": True} for target in RUNTIMES], "budget": {"bank": {"mib": 5}}}
    write_bundle("android", cards, artifacts, Contents(report, "", recording.record_artifacts), folder / "android")


@pytest.fixture(scope="session")
def bundle(int8_artifacts, made_once) -> Path:
    """An Android bundle with the golden vectors; not to be changed."""
    return made_once("android-bundle", lambda folder: written_bundle(int8_artifacts, folder)) / "android"


@pytest.fixture(scope="session")
def clip_bundle(int8_artifacts, made_once) -> Path:
    """The same, whose trace is the sample clip with two objects, prompted by their masks."""
    clip = render_sample_clip(objects=2)
    trace = [TraceFrame(frame, {}) for frame in clip.frames]
    prompts = {id_: Prompt(mask=(clip.masks[0] == id_).astype(np.uint8)) for id_ in (1, 2)}
    trace[0] = TraceFrame(clip.frames[0], prompts)

    def write(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recording, "golden_trace", lambda: tuple(trace))
            written_bundle(int8_artifacts, folder)

    return made_once("android-clip-bundle", write) / "android"


@pytest.fixture(scope="session")
def replayed(compiled):
    """replayed(bundle, target, output): runs the JVM's replay, whose status and output come back."""

    def replay(bundle: Path, target: str, output: Path) -> subprocess.CompletedProcess[str]:
        library = compiled.shim if target == "executorch" else litert_library()
        version = importlib.metadata.version(RUNTIMES[target])
        return kotlin_tools.run_java(
            "org.tinysam2.jvm.MainKt", compiled.classes, bundle, target, library, version, output
        )

    return replay


def litert_library() -> Path:
    """LiteRT's C library, found without importing the package."""
    return Path(importlib.util.find_spec("ai_edge_litert").origin).with_name("libLiteRt.so")


def results_of(replayed, bundle: Path, target: str, output: Path) -> dict:
    done = replayed(bundle, target, output)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text(encoding="utf-8"))


def test_the_kotlin_tests_pass(compiled):
    tests = [*(HOST / "src/test").rglob("*Test.kt"), *(HERE / "faces").rglob("*Test.kt")]
    packages = {"test": "org.tinysam2", "faces": "org.tinysam2.android"}
    names = [f"{packages['faces' if path.parent.name == 'faces' else 'test']}.{path.stem}" for path in tests]
    done = kotlin_tools.run_java("org.junit.runner.JUnitCore", compiled.classes, *names)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "OK (" in done.stdout


def test_the_kotlin_code_has_ktlints_form(tools):
    folders = (
        "hosts/android/**/*.kt",
        "hosts/android/*.kts",
        "tests/hosts/android/**/*.kt",
        "examples/android/**/*.kt",
    )
    linter = kotlin_tools.npm_packages() / ".bin/ktlint"
    kotlin_tools.run([linter, f"--editorconfig={HOST / '.editorconfig'}", *folders], kotlin_tools.ROOT)


@pytest.mark.parametrize("target", RUNTIMES)
def test_every_pixel_of_the_sample_clip_is_the_python_trackers(replayed, clip_bundle, target, tmp_path):
    results = results_of(replayed, clip_bundle, target, tmp_path / "results.json")
    golden = read_golden(clip_bundle)
    expected = [
        hashlib.sha256(golden.tensors[frame["ids"]].tobytes()).hexdigest()
        for frame in golden.index["trace"]["results"][target]
    ]
    assert [frame["ids_sha256"] for frame in results["trace"]] == expected
    assert len(expected) == len(render_sample_clip().frames)


@pytest.mark.parametrize("target", RUNTIMES)
def test_the_replay_gives_the_golden_vectors_and_verify_takes_its_results(
    replayed, bundle, target, tmp_path, run_tinysam2
):
    results = results_of(replayed, bundle, target, tmp_path / "results.json")
    jsonschema.validate(results, results_schema())
    assert all(entry["equal"] for entry in results["preprocessing"])
    assert len(results["preprocessing"]) == len(read_golden(bundle).index["preprocessing"])
    assert {value for entry in results["programs"] for value in entry["sqnr_db"].values()} == {None}
    assert {value for frame in results["trace"] for value in frame["iou"].values()} == {1.0}
    assert set(results["latency_ms"]) == {entry["program"] for entry in results["programs"]} | {"frame"}
    verified = run_tinysam2("verify", bundle, "--results", tmp_path / "results.json")
    assert verified.exit_code == 0, verified.output


def test_a_changed_artifact_is_refused_before_it_is_loaded(replayed, bundle, tmp_path):
    broken = tmp_path / "android"
    shutil.copytree(bundle, broken)
    data = bytearray((broken / "tinysam2.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (broken / "tinysam2.tflite").write_bytes(data)
    done = replayed(broken, "tflite", tmp_path / "results.json")
    assert (done.returncode, (tmp_path / "results.json").exists()) == (1, False)
    assert "tinysam2.tflite is not the file that was shipped: its sha256 differs" in done.stderr


def test_the_shim_refuses_an_output_that_is_not_contiguous(compiled, tmp_path):
    import torch
    from executorch.exir import to_edge_transform_and_lower

    class Layout(torch.nn.Module):
        def __init__(self, memory_format):
            super().__init__()
            self.memory_format = memory_format

        def forward(self, x):
            return (x + 1).to(memory_format=self.memory_format)

    answers = {}
    for name, memory_format in (("rows", torch.contiguous_format), ("channels last", torch.channels_last)):
        exported = torch.export.export(Layout(memory_format).eval(), (torch.zeros(1, 2, 3, 4),))
        file = tmp_path / f"{name}.pte"
        file.write_bytes(to_edge_transform_and_lower(exported).to_executorch().buffer)
        # In a process of its own: this one may hold the Python runtime's copy of the same kernels.
        command = [sys.executable, "-c", CALL_SHIM, compiled.shim, file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        answers[name] = done.stdout.strip()
    assert answers["rows"] == "0 [1.0, 2.0, 3.0]"
    assert answers["channels last"].startswith("1 forward's output 0 is not contiguous in memory")


CALL_SHIM = """
import ctypes, sys
shim = ctypes.CDLL(sys.argv[1])
shim.et_open.restype = shim.et_error.restype = ctypes.c_void_p
module = ctypes.c_void_p(shim.et_open(sys.argv[2].encode()))
count = ctypes.c_size_t(24)
given, taken = (ctypes.c_float * 24)(*range(24)), (ctypes.c_float * 24)()
one, size = ctypes.c_size_t(1), ctypes.byref(count)
pointer = ctypes.POINTER(ctypes.c_float)
status = shim.et_run(module, b"forward", one, (pointer * 1)(ctypes.cast(given, pointer)), size,
                     one, (pointer * 1)(ctypes.cast(taken, pointer)), size)
print(status, ctypes.string_at(shim.et_error()).decode() if status else list(taken)[:3])
"""
