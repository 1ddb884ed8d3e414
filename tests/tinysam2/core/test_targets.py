"""The registry of targets: what is asked for wrongly is refused with what there is, before anything is imported."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS, checked_precision, target

every_target = pytest.mark.parametrize("chosen", TARGETS.values(), ids=TARGETS.keys())


def test_an_unknown_target_is_refused_with_the_ones_there_are():
    with pytest.raises(InputError, match="unknown target 'onnx'; the targets are coreml, executorch, tflite"):
        target("onnx")


@every_target
def test_a_target_is_found_by_its_name(chosen):
    assert target(chosen.name) is chosen


@every_target
def test_every_target_names_a_converter_and_a_backend_that_exist(chosen):
    assert find_spec(chosen.converter) is not None
    assert find_spec(chosen.backend) is not None


@every_target
def test_every_target_is_shipped_somewhere_and_says_how_it_is_run(chosen):
    assert set(chosen.shipped_for) <= {"ios", "android"}
    assert chosen.shipped_for
    assert chosen.runtime
    assert chosen.addressing


def test_the_registry_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        TARGETS["coreml"] = None
    with pytest.raises(TypeError):
        TARGETS["coreml"].precisions["int8"] = "float32"


@pytest.mark.parametrize(("name", "default"), [("coreml", "fp16"), ("executorch", "fp32"), ("tflite", "fp32")])
def test_without_a_precision_the_targets_default_is_taken(name, default):
    assert checked_precision(target(name), None) == default


@every_target
def test_every_precision_offered_is_accepted(chosen):
    assert [checked_precision(chosen, precision) for precision in chosen.precisions] == list(chosen.precisions)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coreml", "target coreml has no precision 'int4'; it has fp16, fp32, int8"),
        ("executorch", "target executorch has no precision 'int4'; it has fp32, int8"),
    ],
)
def test_a_precision_that_is_not_offered_is_refused_with_those_that_are(name, message):
    with pytest.raises(InputError, match=f"{message}$"):
        checked_precision(target(name), "int4")


@pytest.mark.parametrize("load", ["load_converter", "load_backend", "require_installed"])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(load):
    absent = replace(target("tflite"), packages=("torch", "no_such_package"))
    message = (
        r"target tflite needs the package no_such_package, which is not installed; "
        r"install it with: pip install 'tinysam2\[tflite\]'"
    )
    with pytest.raises(InputError, match=message):
        getattr(absent, load)()


def test_whether_a_toolchain_is_there_is_told_without_importing_it():
    code = (
        "import sys; from tinysam2.core.targets import TARGETS\n"
        "for target in TARGETS.values():\n"
        "    try: target.require_installed()\n"
        "    except ValueError: pass\n"
        "assert not {'torch', 'numpy', *(p for t in TARGETS.values() for p in t.packages)} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
