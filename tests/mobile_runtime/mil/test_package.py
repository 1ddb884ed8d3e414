"""Packages converted from torch, saved and loaded again."""

import os
import shutil
import subprocess
import sys

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch import nn

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil import MILProgram

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
MODEL = "Data/com.apple.CoreML/model.mlmodel"


class ConvolutionAndAttention(nn.Module):
    """image [1, 3, 32, 32] -> masks [1, 8, 64, 64], tokens [1, 16]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.depthwise = nn.Conv2d(16, 16, 3, 1, 1, groups=16)
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.upscale = nn.ConvTranspose2d(16, 8, 2, 2)

    def forward(self, image):
        features = nn.functional.gelu(self.stem(image))
        features = features + self.depthwise(features)
        batch, channels, height, width = features.shape
        tokens = features.flatten(2).transpose(1, 2)
        query, key, value = self.qkv(self.norm(tokens)).chunk(3, -1)
        attended = torch.softmax(query * 0.25 @ key.transpose(1, 2), -1) @ value
        features = attended.transpose(1, 2).reshape(batch, channels, height, width)
        masks = nn.functional.interpolate(
            self.upscale(features), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return masks, attended.mean(1)


class RunningSum(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(2, 3))

    def forward(self, x):
        self.total.add_(x)
        return self.total * 2


def sqnr(reference, result):
    """Signal to quantization-noise ratio in dB; infinite where there is no noise."""
    reference = reference.detach().double().numpy()
    noise = np.square(reference - result).sum()
    return np.inf if noise == 0 else 10 * np.log10(np.square(reference).sum() / noise)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return ConvolutionAndAttention().eval()


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def float32_package(convert, network, image, folder):
    return convert(network, (image,), folder / "float32.mlpackage")


@pytest.fixture(scope="module")
def float16_package(convert, network, image, folder):
    return convert(network, (image,), folder / "float16.mlpackage", ct.precision.FLOAT16)


@pytest.fixture
def damaged(float32_package, tmp_path):
    return shutil.copytree(float32_package, tmp_path / "damaged.mlpackage")


def agreement(package, network, image, **options):
    outputs = MILProgram.load(package, **options).run(image=image.numpy())
    expected = network(image)
    return min(sqnr(wanted, result) for wanted, result in zip(expected, outputs.values(), strict=True))


def test_a_float32_package_agrees_with_torch_to_120_db(float32_package, network, image):
    assert agreement(float32_package, network, image) >= 120


def test_a_float16_package_agrees_with_torch_to_55_db(float16_package, network, image):
    assert 55 <= agreement(float16_package, network, image) < 100


def test_float32_storage_leaves_only_the_rounding_of_weights_and_outputs(float16_package, network, image):
    assert agreement(float16_package, network, image, storage="float32") >= 60


def test_a_loaded_program_declares_what_the_package_declares(float32_package):
    program = MILProgram.load(float32_package)
    description = ct.utils.load_spec(str(float32_package)).description
    assert list(program.inputs) == ["image"]
    assert program.inputs["image"].shape == (1, 3, 32, 32)
    assert list(program.outputs) == [feature.name for feature in description.output]


def test_weight_bytes_are_those_of_the_weight_file_and_half_in_fp16(float32_package, float16_package):
    full, half = (MILProgram.load(package).weight_bytes for package in (float32_package, float16_package))
    # Biases below 10 elements and shapes stand in the model file; the weight file aligns and has headers.
    assert full == pytest.approx((float32_package / WEIGHTS).stat().st_size, rel=0.15)
    assert half == pytest.approx(full / 2, rel=0.05)


def test_a_state_converted_from_a_buffer_lasts_from_run_to_run(convert, folder):
    package = convert(
        RunningSum(),
        (torch.ones(2, 3),),
        folder / "state.mlpackage",
        ct.precision.FLOAT16,
        minimum_deployment_target=ct.target.iOS18,
        inputs=[ct.TensorType(shape=(2, 3), name="x")],
        states=[ct.StateType(wrapped_type=ct.TensorType(shape=(2, 3), dtype=np.float16), name="total")],
    )
    program = MILProgram.load(package)
    outputs = [next(iter(program.run(x=np.ones((2, 3))).values()))[0, 0] for _ in range(3)]
    assert outputs == [2, 4, 6]


def save_program(build, path, **options):
    """Convert a function of mb and one float input x of 2 numbers, no optimization."""
    program = mb.program(input_specs=[mb.TensorSpec((2,))], opset_version=ct.target.iOS18)(build)
    options = {
        "convert_to": "mlprogram",
        "compute_precision": ct.precision.FLOAT32,
        "minimum_deployment_target": ct.target.iOS18,
        "pass_pipeline": ct.PassPipeline.EMPTY,
    } | options
    ct.convert(program, skip_model_load=True, **options).save(str(path))
    return path


@pytest.fixture(scope="module")
def multifunction_package(folder):
    first = save_program(lambda x: mb.add(x=x, y=1.0, name="plus"), folder / "plus.mlpackage")
    second = save_program(lambda x: mb.mul(x=x, y=3.0, name="times"), folder / "times.mlpackage")
    descriptor = ct.utils.MultiFunctionDescriptor()
    descriptor.add_function(str(first), "main", "plus_one")
    descriptor.add_function(str(second), "main", "times_three")
    descriptor.default_function_name = "plus_one"
    ct.utils.save_multifunction(descriptor, str(folder / "both.mlpackage"))
    return folder / "both.mlpackage"


def test_each_function_of_a_package_loads_by_its_name(multifunction_package):
    x = np.float32([1, 2])
    for function, output, expected in (("plus_one", "plus", [2, 3]), ("times_three", "times", [3, 6])):
        outputs = MILProgram.load(multifunction_package, function=function).run(x=x)
        assert list(outputs) == [output]
        assert outputs[output].tolist() == expected


def test_a_package_of_several_functions_loads_its_default(multifunction_package):
    assert list(MILProgram.load(multifunction_package).outputs) == ["plus"]


def test_an_unknown_function_is_refused_with_those_that_exist(multifunction_package):
    with pytest.raises(InputError, match="has no function 'main'; it has: plus_one, times_three"):
        MILProgram.load(multifunction_package, function="main")


def test_unknown_operations_are_refused_at_load_all_by_name(tmp_path):
    def build(x):
        noise = mb.random_normal(shape=[2])
        return mb.add(x=mb.reverse_sequence(x=x, lengths=[1, 1]), y=noise)

    package = save_program(build, tmp_path / "odd.mlpackage")
    with pytest.raises(InputError, match=r"odd\.mlpackage, function 'main'.*: random_normal, reverse_sequence"):
        MILProgram.load(package)


def test_a_flexible_shape_is_checked_where_it_is_fixed(convert, tmp_path):
    height = torch.export.Dim("height", min=8, max=32)
    package = convert(
        nn.Conv2d(3, 4, 3),
        (torch.randn(1, 3, 16, 16),),
        tmp_path / "flexible.mlpackage",
        dynamic_shapes=({2: height},),
    )
    program = MILProgram.load(package)
    assert program.inputs["input"].shape == (1, 3, None, 16)
    (output,) = program.run(input=np.zeros((1, 3, 20, 16), np.float32)).values()
    assert output.shape == (1, 4, 18, 14)
    with pytest.raises(InputError, match=r"it must be float32\[1, 3, \?, 16\]"):
        program.run(input=np.zeros((1, 3, 20, 17), np.float32))


def test_a_neural_network_is_refused(tmp_path):
    program = mb.program(input_specs=[mb.TensorSpec((2,))], opset_version=ct.target.iOS14)(lambda x: mb.relu(x=x))
    model = ct.convert(program, convert_to="neuralnetwork", skip_model_load=True)
    model.save(str(tmp_path / "old.mlpackage"))
    with pytest.raises(InputError, match="type 'neuralNetwork'; convert it as an ML Program"):
        MILProgram.load(tmp_path / "old.mlpackage")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.95, 0.999])
def test_a_cut_weight_file_is_refused(damaged, kept):
    os.truncate(damaged / WEIGHTS, int((damaged / WEIGHTS).stat().st_size * kept))
    with pytest.raises(InputError, match=r"weight\.bin ends (before|inside) the weight '\w+'"):
        MILProgram.load(damaged)


def test_a_weight_file_of_something_else_is_refused(damaged):
    (damaged / WEIGHTS).write_bytes(bytes(50_000))
    with pytest.raises(InputError, match=r"weight\.bin holds no weight where '\w+' should be"):
        MILProgram.load(damaged)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.95])
def test_a_cut_model_file_is_refused(damaged, kept):
    os.truncate(damaged / MODEL, int((damaged / MODEL).stat().st_size * kept))
    with pytest.raises(InputError, match=r"damaged\.mlpackage holds (no readable|an empty) model"):
        MILProgram.load(damaged)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("Manifest.json", "has no Manifest.json"),
        (MODEL, "holds no readable model"),
        (WEIGHTS, "weight.bin is missing"),
    ],
)
def test_a_package_that_lacks_a_file_is_refused(damaged, missing, message):
    (damaged / missing).unlink()
    with pytest.raises(InputError, match=message):
        MILProgram.load(damaged)


def test_an_empty_folder_and_a_file_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no Manifest\.json"):
        MILProgram.load(tmp_path)
    (tmp_path / "file.mlpackage").write_text("text")
    with pytest.raises(InputError, match="is a file"):
        MILProgram.load(tmp_path / "file.mlpackage")


def test_loading_prints_nothing(float32_package):
    code = f"from tinysam2.mobile_runtime.mil import MILProgram; MILProgram.load({str(float32_package)!r})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "")
