"""A small int8 program converted to each target computes what torch does, and begins and ends in float."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.converters.convert import check_recipe_of
from tinysam2.core.contract import ProgramSpec, TensorSpec
from tinysam2.core.errors import InputError
from tinysam2.core.targets import INT8, TARGETS
from tinysam2.models.network.layers import MLP, Conv2dReLU
from tinysam2.models.quantization.conversion import calibrate
from tinysam2.models.quantization.layers import FrozenLayer, QuantizedLayer, frozen
from tinysam2.models.quantization.recipe import FLOAT, W8, W8A8, Recipe, Rule
from tinysam2.models.weights.checkpoint import LoadedModel

pytestmark = pytest.mark.e2e

SIZE, CHANNELS = 16, 8


class Small(nn.Module):
    """What the model has beside plain layers: a residual, squeeze-and-excite, a ReLU, and values joined in float.

    Its first input goes into a layer at once, and its last output comes out of one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spec = ProgramSpec(
            "small",
            (TensorSpec("image", (1, 3, SIZE, SIZE), "values"),),
            (
                TensorSpec("scores", (1, 2, SIZE * SIZE), "joined"),
                TensorSpec("features", (1, CHANNELS, SIZE, SIZE), "a layer's own output"),
            ),
        )
        self.conv = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.mixer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
        self.squeeze = Conv2dReLU(CHANNELS, CHANNELS, 1)
        self.excite = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.heads = nn.ModuleList(MLP(CHANNELS, CHANNELS, CHANNELS, 2) for _ in range(2))
        self.project = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.gelu(self.conv(image))
        x = x + self.mixer(x)
        x = x * torch.sigmoid(self.excite(self.squeeze(x.mean((2, 3), keepdim=True))))
        token, pixels = x.mean((2, 3))[:, None], x.flatten(2)
        scores = torch.cat([head(token) @ pixels for head in self.heads], dim=1)
        return scores, self.project(x)


READ_BY_A_LAYER = {"squeeze", "heads.0.layers.0", "heads.1.layers.0"}


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def small(image) -> nn.Module:
    """Calibrated on the image, and frozen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        program = Small().eval()
    layers = [name for name, module in program.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]

    def change(name: str, how) -> None:
        owner, _, attribute = name.rpartition(".")
        parent = program.get_submodule(owner)
        setattr(parent, attribute, how(getattr(parent, attribute)))

    for name in layers:
        change(name, lambda layer, n=name: QuantizedLayer(layer, True, rounds_output=n not in READ_BY_A_LAYER))
    calibrate(program, lambda watched: watched(image))
    for name in layers:
        change(name, frozen)
    return program.requires_grad_(False)


@pytest.fixture(scope="module")
def converted(small, tmp_path_factory):
    """The program converted to a target; its file or package."""
    from tinysam2.core.silencing import silenced

    made = {}

    def convert(target: str):
        entry = TARGETS[target]
        pytest.importorskip(entry.packages[0])
        if target not in made:
            from tinysam2.converters.export import ExportedModel

            program = copy.deepcopy(small)
            for module in program.modules():
                if entry.float_weights and isinstance(module, FrozenLayer):
                    module.use_float_weight()
            example = {"image": torch.zeros(1, 3, SIZE, SIZE)}
            graph = torch.export.export(program, (), example, strict=False)
            folder = tmp_path_factory.mktemp(target)
            with silenced():
                files = entry.load_converter().convert([ExportedModel(program, example, graph)], INT8, folder)
            made[target] = folder / files["small"]
        return made[target]

    return convert


def in_coreml(path, image):
    from tinysam2.mobile_runtime.mil import MILProgram

    outputs = MILProgram.load(path).run(image=image.numpy())
    return [outputs["scores"], outputs["features"]]


def in_executorch(path, image):
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(path)
    return [value.numpy().copy() for value in program.load_method("small").execute([image])]


def in_litert(path, image):
    from ai_edge_litert.interpreter import Interpreter

    outputs = Interpreter(model_path=str(path), num_threads=1).get_signature_runner("small")(image=image.numpy())
    return [outputs["output_0"], outputs["output_1"]]


def test_core_ml_computes_exactly_what_torch_does(small, image, converted):
    for wanted, found in zip(small(image), in_coreml(converted("coreml"), image), strict=True):
        assert np.array_equal(wanted.numpy(), found)


@pytest.mark.parametrize(("target", "run"), [("executorch", in_executorch), ("tflite", in_litert)])
def test_native_kernels_are_at_most_a_step_from_torch(small, image, converted, target, run):
    scores, features = run(converted(target), image)
    wanted_scores, wanted_features = (value.numpy() for value in small(image))
    steps = np.rint(np.abs(features - wanted_features) / small.project.output_qparams[0])
    assert steps.max() <= 1
    # A value that lies between two integers may fall either way; all others are the same.
    assert (steps > 0).mean() < 1e-2
    np.testing.assert_allclose(scores, wanted_scores, rtol=0.05, atol=0.05 * np.abs(wanted_scores).max())


def test_a_tflite_file_begins_and_ends_in_float(converted):
    pytest.importorskip("ai_edge_litert")
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(converted("tflite"))).get_signature_runner("small")
    details = [*runner.get_input_details().values(), *runner.get_output_details().values()]
    assert {entry["dtype"] for entry in details} == {np.float32}


def test_a_core_ml_package_stores_weights_as_uint8_with_a_zero_point_of_128(converted):
    from tinysam2.mobile_runtime.mil.loading import load_graph

    graph = load_graph(converted("coreml"), None)
    weights = [operation for operation in graph.operations if operation.type == "constexpr_affine_dequantize"]
    assert len(weights) == 9
    for weight in weights:
        stored, zero_point = (graph.constants[weight.inputs[name]] for name in ("quantized_data", "zero_point"))
        assert (stored.dtype, zero_point.dtype) == (np.uint8, np.uint8)
        assert set(np.atleast_1d(zero_point)) == {128}


def test_in_a_tflite_file_only_layers_compute_in_int8(converted):
    pytest.importorskip("ai_edge_litert")
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(converted("tflite").read_bytes(), 0))
    graph = model.subgraphs[model.signatureDefs[0].subgraphIndex]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    in_int8 = set()
    for operator in graph.operators:
        entry = model.operatorCodes[operator.opcodeIndex]
        if graph.tensors[operator.outputs[0]].type == schema.TensorType.INT8:
            in_int8.add(names[max(entry.builtinCode, entry.deprecatedBuiltinCode)])
    moving = {"QUANTIZE", "RESHAPE", "TRANSPOSE", "PAD", "SLICE", "CONCATENATION"}
    assert in_int8 - moving == {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


@pytest.mark.parametrize(("target", "taken"), [("coreml", True), ("executorch", False), ("tflite", False)])
def test_int8_weights_beside_float_activations_are_taken_by_core_ml_alone(target, taken):
    model = nn.Module()
    for program in ("image_encoder", "memory_attention", "mask_decoder", "memory_encoder"):
        setattr(model, program, nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)))
    for precision in (W8A8, FLOAT, W8):
        loaded = LoadedModel(model, "mine.safetensors", True, "", Recipe((Rule("mask_decoder", "1", precision),)))
        if taken or precision != W8:
            check_recipe_of(loaded, TARGETS[target])
            continue
        with pytest.raises(InputError, match=r"w8: mask_decoder\.1.*does not take; quantize with a recipe"):
            check_recipe_of(loaded, TARGETS[target])
