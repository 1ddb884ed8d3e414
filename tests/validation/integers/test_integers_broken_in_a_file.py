"""One thing broken in a copy of a real artifact: the check made for it tells the layer, and no other check fails."""

import copy
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tinysam2.core.targets import TARGETS
from tinysam2.validation.integers.checks import IntegerReport, check_integers

every_target = pytest.mark.parametrize("target", TARGETS)


def failures(report: IntegerReport) -> dict[str, dict[str, str]]:
    return {verdict.name: dict(verdict.faults) for verdict in report.verdicts if not verdict.passed}


def copied(path: Path, folder: Path) -> Path:
    copy = folder / path.name
    return Path(shutil.copytree(path, copy) if path.is_dir() else shutil.copy2(path, copy))


def patched(path: Path, folder: Path, old: bytes, new: bytes, times: int = 1) -> Path:
    """A copy in which these bytes, found exactly so many times, are others."""
    assert len(old) == len(new)
    assert old != new
    broken, found = copied(path, folder), 0
    for file in [broken] if broken.is_file() else [file for file in broken.rglob("*") if file.is_file()]:
        data = file.read_bytes()
        found += data.count(old)
        file.write_bytes(data.replace(old, new))
    assert found == times
    return broken


def stored(target: str, weight: np.ndarray) -> bytes:
    """int8 values as a target's file holds them: Core ML's as uint8, each 128 higher."""
    return (weight.astype(np.int16) + 128).astype(np.uint8).tobytes() if target == "coreml" else weight.tobytes()


def part(tiny, name: str):
    return tiny.model.image_encoder.get_submodule(name)


@every_target
def test_one_integer_of_a_weight(target, tiny, converted, read, tmp_path):
    weight = part(tiny, "linear").weight.numpy()
    broken = weight.copy()
    broken[3, 5] += 1 if broken[3, 5] < 127 else -1
    path = patched(converted(tiny.model, target), tmp_path, stored(target, weight), stored(target, broken))
    report = check_integers(tiny.layers(), read(target, path))
    assert failures(report) == {"weights": {"image_encoder.linear": "1 of 240 integers of its weight differ"}}


@every_target
def test_a_weight_whose_channels_are_swapped(target, tiny, converted, read, tmp_path):
    weight = part(tiny, "square").weight.numpy()
    path = patched(converted(tiny.model, target), tmp_path, stored(target, weight), stored(target, weight.T))
    report = check_integers(tiny.layers(), read(target, path))
    assert list(failures(report)) == ["weights"]
    assert list(failures(report)["weights"]) == ["image_encoder.square"]


@every_target
def test_one_scale_of_a_weight(target, tiny, converted, read, tmp_path):
    scale = part(tiny, "linear").weight_scale.numpy()
    broken = scale.copy()
    broken[7] = np.nextafter(np.float16(broken[7]), np.float16(1))
    path = patched(converted(tiny.model, target), tmp_path, scale.tobytes(), broken.tobytes())
    report = check_integers(tiny.layers(), read(target, path))
    assert failures(report) == {"scales": {"image_encoder.linear": "1 of 20 scales of its weight differ"}}


@every_target
def test_a_scale_that_fp16_does_not_hold_even_where_the_checkpoint_has_it_too(target, tiny, converted, read, tmp_path):
    scale = part(tiny, "linear").weight_scale.numpy()
    broken = scale.copy()
    broken[7] = np.nextafter(broken[7], np.float32(1))
    path = patched(converted(tiny.model, target), tmp_path, scale.tobytes(), broken.tobytes())
    layers = [
        replace(layer, weight=replace(layer.weight, scale=broken)) if layer.name.endswith(".linear") else layer
        for layer in tiny.layers()
    ]
    report = check_integers(layers, read(target, path))
    assert failures(report) == {"fp16 scales": {"image_encoder.linear": "a scale of its weight is no fp16 number"}}


@every_target
def test_a_layer_left_in_float_against_the_recipe(target, tiny, converted, read, float_pointwise):
    report = check_integers(tiny.layers(), read(target, converted(float_pointwise, target)))
    assert failures(report) == {"recipe": {"image_encoder.pointwise": "its weight is float, the recipe says w8a8"}}
    whole = check_integers(tiny.layers(), read(target, converted(tiny.model, target)))
    lost = whole.shares["image_encoder"].int8 - report.shares["image_encoder"].int8
    assert lost == 64 * 12 * 16


def test_a_zero_point_off_by_one_in_a_package(tiny, converted, read, tmp_path):
    path = copied(converted(tiny.model, "coreml"), tmp_path)

    def raise_zero_point(operations):
        entering = next(operation for operation in operations if operation.type == "dequantize")
        value = _stored(operations, entering, "zero_point").tensor.bytes
        value.values = struct.pack("b", struct.unpack("b", value.values)[0] + 1)

    _edit(path, raise_zero_point)
    _only_the_zero_point_of_conv_differs(tiny, read("coreml", path))


def test_a_zero_point_off_by_one_in_a_tflite_file(tiny, converted, read, tmp_path):
    def raise_zero_point(model):
        graph = model.subgraphs[0]
        input_tensor = graph.tensors[_first(model, "CONV_2D").inputs[0]]
        input_tensor.quantization.zeroPoint = input_tensor.quantization.zeroPoint + 1

    path = _rewritten(converted(tiny.model, "tflite"), tmp_path, raise_zero_point)
    _only_the_zero_point_of_conv_differs(tiny, read("tflite", path))


def test_a_zero_point_off_by_one_in_a_pte_file(tiny, converted, read, tmp_path):
    # Of the image, and of the same image with its channels last.
    scale, zero_point = part(tiny, "conv").input_qparams
    stored, broken = (struct.pack("<fi", scale, zero_point + step) for step in (0, 1))
    path = patched(converted(tiny.model, "executorch"), tmp_path, stored, broken, times=2)
    _only_the_zero_point_of_conv_differs(tiny, read("executorch", path))


def test_scales_along_another_axis_in_a_package(tiny, converted, read, tmp_path):
    path = copied(converted(tiny.model, "coreml"), tmp_path)

    def turn(operations):
        # The last: its weight is square, and of any other the package would be refused.
        weight = [operation for operation in operations if operation.type == "constexpr_affine_dequantize"][-1]
        weight.attributes["axis"].immediateValue.tensor.ints.values[:] = [1]

    _edit(path, turn)
    _only_the_axis_differs(tiny, read("coreml", path), "image_encoder.square")


def test_scales_along_another_axis_in_a_tflite_file(tiny, converted, read, tmp_path):
    def turn(model):
        weight = model.subgraphs[0].tensors[_first(model, "CONV_2D").inputs[1]]
        # Of [O, height, width, I].
        weight.quantization.quantizedDimension = 3

    path = _rewritten(converted(tiny.model, "tflite"), tmp_path, turn)
    _only_the_axis_differs(tiny, read("tflite", path), "image_encoder.conv")


@pytest.fixture(scope="module")
def float_pointwise(tiny):
    """The model with one of its layers in float, of the very values that its integers stand for."""
    model = copy.deepcopy(tiny.model)
    frozen = model.image_encoder.pointwise
    model.image_encoder.pointwise = nn.Conv2d(16, 12, 1)
    with torch.no_grad():
        model.image_encoder.pointwise.weight.copy_(frozen.weight.float() * frozen.weight_scale[:, None, None, None])
        model.image_encoder.pointwise.bias.copy_(frozen.bias)
    return model.requires_grad_(False)


def _only_the_zero_point_of_conv_differs(tiny, products) -> None:
    kept = part(tiny, "conv").input_qparams[1]
    assert failures(check_integers(tiny.layers(), products)) == {
        "zero points": {"image_encoder.conv": f"the zero point of its input is {kept + 1} instead of {kept}"}
    }


def _only_the_axis_differs(tiny, products, layer: str) -> None:
    said = "its scales run along axis 1 of its weight, not along its outputs"
    assert failures(check_integers(tiny.layers(), products)) == {"axis": {layer: said}}


def _edit(package: Path, change) -> None:
    """Changes the operations of a package's program."""
    from coremltools.proto.Model_pb2 import Model

    (file,) = package.rglob("model.mlmodel")
    model = Model.FromString(file.read_bytes())
    (function,) = model.mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    change(block.operations)
    file.write_bytes(model.SerializeToString())


def _stored(operations, operation, argument: str):
    """Where the value of an argument is written: beside it, or in a constant that it names."""
    (binding,) = operation.inputs[argument].arguments
    if binding.WhichOneof("binding") == "value":
        return binding.value.immediateValue
    constant = next(other for other in operations if other.outputs[0].name == binding.name)
    return constant.attributes["val"].immediateValue


def _rewritten(path: Path, folder: Path, change) -> Path:
    """A copy of a `.tflite` with its model changed."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    (folder / path.name).write_bytes(builder.Output())
    return folder / path.name


def _first(model, kind: str):
    """The first operator of a kind."""
    from tinysam2.mobile_runtime.memory.tflite import OPERATORS

    codes = [OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
    return next(operator for operator in model.subgraphs[0].operators if codes[operator.opcodeIndex] == kind)
