"""The registry of targets: what is asked for wrongly is refused with what there is, before anything is imported."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from tinysam2.core.errors import InputError
from tinysam2.core.targets import (
    ADDRESSING,
    TARGETS,
    RuntimePackage,
    Target,
    checked_precision,
    register_target,
    target,
    unregister_target,
)

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
    assert set(chosen.runtime.packages) == set(chosen.shipped_for)
    assert {chosen.inputs_by, chosen.outputs_by} <= set(ADDRESSING)


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


OUTSIDE = Target(
    name="outside",
    title="Outside",
    packages=(),
    converter=None,
    backend=None,
    precisions={"fp32": "float32"},
    shipped_for=(),
    runtime=RuntimePackage("nothing", "1", {}),
)


@pytest.fixture
def outside():
    register_target(OUTSIDE)
    yield OUTSIDE
    unregister_target("outside")


def test_a_registered_target_is_found_until_it_is_taken_out(outside):
    assert target("outside") is outside
    assert list(TARGETS)[-1] == "outside"
    unregister_target("outside")
    assert "outside" not in TARGETS
    with pytest.raises(InputError, match="unknown target 'outside'"):
        unregister_target("outside")
    register_target(outside)


@pytest.mark.parametrize(
    "load", ["load_converter", "load_backend", "load_integer_reader", "load_value_reader", "load_profiler"]
)
def test_what_a_target_lacks_is_answered_as_not_available(load):
    with pytest.raises(InputError, match=r"target outside has no .*: not available"):
        getattr(OUTSIDE, load)()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "coreml"}, "target 'coreml' is already registered"),
        ({"name": "torch"}, "a target cannot be named 'torch'"),
        ({"name": "report"}, "a target cannot be named 'report'"),
        ({"name": "../up"}, r"a target cannot be named '\.\./up'"),
        ({"precisions": {}}, "target outside has no precision; name at least one of fp32, fp16, int8"),
        ({"precisions": {"int4": "float32"}}, "unknown precision 'int4'; it must be one of: fp32, fp16, int8"),
        ({"precisions": {"fp32": "int8"}}, "inputs of 'int8' in fp32; they must be one of: float32, float16"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_and_not_registered(change, message):
    before = dict(TARGETS)
    with pytest.raises(InputError, match=message):
        register_target(replace(OUTSIDE, **change))
    assert dict(TARGETS) == before


def test_without_an_extra_the_packages_themselves_are_named():
    absent = replace(OUTSIDE, packages=("no_such_package", "torch"))
    with pytest.raises(InputError, match="install it with: pip install no_such_package torch"):
        absent.require_installed()


@every_target
@pytest.mark.parametrize(
    ("load", "function"),
    [
        ("load_converter", "convert"),
        ("load_backend", "load"),
        ("load_integer_reader", "read_contents"),
        ("load_value_reader", "open_values"),
    ],
)
def test_every_module_offers_the_function_of_its_kind(chosen, load, function):
    for package in chosen.packages:
        pytest.importorskip(package)
    assert callable(getattr(getattr(chosen, load)(), function))


@pytest.mark.parametrize("chosen", [target for target in TARGETS.values() if target.profiler], ids=lambda t: t.name)
def test_every_profiler_offers_its_function(chosen):
    for package in chosen.packages:
        pytest.importorskip(package)
    assert callable(chosen.load_profiler().profile_program)
