"""What the counter counts, on operators small enough to count by hand, and what the presets may cost."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tinysam2.core.config import PRESETS
from tinysam2.core.contract import program_contract
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.repvit import RepViT
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.validation.cost.count import SHAPES_ONLY, OperatorCount, Weights, count_program, model_cost

FP32 = 4
MIB = 2**20


def shape(*sizes):
    return torch.empty(sizes, device="meta")


def counted(call, *inputs):
    """A call's multiply-accumulates and peak bytes."""
    count = OperatorCount(inputs)
    with SHAPES_ONLY, torch.no_grad(), count:
        outputs = call(*inputs)
    return count.macs, count.peak_bytes(outputs)


def macs(layer, *inputs):
    cost = count_program(lambda x: layer(x), {"x": shape(*inputs)}, Weights.of(layer.to("meta")))
    return cost.macs


# Multiply-accumulates.


def test_a_linear_layer_takes_one_for_each_weight_and_row():
    assert macs(nn.Linear(5, 7), 2, 3, 5) == 2 * 3 * 5 * 7


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), 3 * 8 * 3 * 3 * 8 * 8),
        (nn.Conv2d(3, 8, 1), 3 * 8 * 16 * 16),
        (nn.Conv2d(3, 3, 3, padding=1, groups=3), 3 * 3 * 3 * 16 * 16),
        (nn.ConvTranspose2d(3, 8, 2, stride=2), 3 * 8 * 2 * 2 * 16 * 16),
    ],
    ids=["strided", "pointwise", "depthwise", "transposed"],
)
def test_a_convolution_takes_one_for_each_weight_and_place(layer, expected):
    assert macs(layer, 1, 3, 16, 16) == expected


@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_a_matrix_product_takes_one_for_each_row_column_and_inner_value(batch):
    found, _ = counted(torch.matmul, shape(*batch, 5, 6), shape(*batch, 6, 7))
    assert found == 5 * 6 * 7 * torch.Size(batch).numel()


def test_attention_counts_alike_as_one_operator_and_written_out():
    query, key = shape(1, 2, 30, 8), shape(1, 2, 50, 8)
    written_out, _ = counted(lambda q, k: torch.softmax(q @ k.mT, -1) @ k, query, key)
    fused = torch.ops.aten._scaled_dot_product_efficient_attention
    as_one, _ = counted(lambda q, k: fused(q, k, k, None, compute_log_sumexp=False)[0], query, key)
    assert as_one == written_out == 2 * 2 * 30 * 50 * 8


def test_what_is_no_product_of_matrices_counts_none():
    assert counted(lambda x: F.gelu(x + 1).softmax(-1), shape(9, 9))[0] == 0


# Peak activations.

KILOBYTE = shape(256)


def test_a_chain_holds_two_links_at_a_time():
    assert counted(lambda x: x.relu().exp().sin().cos(), KILOBYTE)[1] == 2 * 1024


def test_what_is_read_again_is_held_until_then():
    def residual(x):
        first = x.relu()
        return first + first.exp().sin()

    assert counted(residual, KILOBYTE)[1] == 3 * 1024


def test_outputs_are_held_to_the_end():
    def two_heads(x):
        first = x.relu()
        return first, x.exp().sin()

    assert counted(two_heads, KILOBYTE)[1] == 3 * 1024


def test_a_variable_that_nobody_reads_again_holds_nothing():
    def kept(x):
        first = x.relu()
        second = first.exp()
        third = second.sin()
        return third.cos()

    assert counted(kept, KILOBYTE)[1] == 2 * 1024


def test_views_hold_what_they_look_at_once():
    assert counted(lambda x: x.relu().reshape(16, 16).T[:4].exp(), KILOBYTE)[1] == 1024 + 4 * 16 * FP32


def test_inputs_and_weights_do_not_count():
    layer = nn.Linear(16, 16, device="meta")
    cost = count_program(lambda x: layer(x), {"x": shape(8, 16)}, Weights.of(layer))
    assert cost.peak_activation_bytes == cost.output_bytes == cost.input_bytes == 8 * 16 * FP32


# Weights.


class Small(nn.Module):
    """A convolution, a norm, an embedding and a table."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.LayerNorm(8)
        self.kinds = nn.Embedding(4, 8)
        self.register_buffer("table", torch.zeros(100), persistent=False)


def test_every_stored_value_takes_the_bytes_of_its_precision():
    stored = Weights.of(Small()).stored_bytes()
    values = 8 * 3 * 9 + 8 + 2 * 8 + 4 * 8 + 100
    assert stored["fp32"] == 4 * values
    assert stored["fp16"] == 2 * values


def test_int8_takes_the_weights_of_layers_and_leaves_the_rest_in_fp32():
    rest = 8 + 2 * 8 + 4 * 8 + 100
    scales = 8
    assert Weights.of(Small()).stored_bytes()["int8"] == 8 * 3 * 9 + 4 * (rest + scales)


# Models.


@pytest.fixture(scope="module", params=PRESETS)
def config(request):
    return PRESETS[request.param]


@pytest.fixture(scope="module")
def cost(config):
    return model_cost(config)


@pytest.fixture(scope="module")
def tinysam2():
    return model_cost(PRESETS["tinysam2"])


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_the_programs_that_ship(config, cost):
    with SHAPES_ONLY:
        model = TinySAM2(config)
        programs = build_programs(model)
    assert {name: program.parameters for name, program in cost.programs.items()} == {
        name: parameters(program) for name, program in programs.items()
    }
    assert cost.parameters == sum(map(parameters, programs.values()))
    assert cost.trained_parameters == parameters(model)


def test_only_the_image_encoder_ships_fewer_parameters_than_are_trained(config, cost):
    with SHAPES_ONLY:
        model = TinySAM2(config)
    for name, program in cost.programs.items():
        trained = parameters(getattr(model, name))
        assert program.parameters < trained if name == "image_encoder" else program.parameters == trained


def test_inputs_and_outputs_are_the_contracts(config, cost):
    for name, spec in program_contract(config).items():
        program = cost.programs[name]
        sizes = [sum(torch.Size(t.shape).numel() * FP32 for t in group) for group in (spec.inputs, spec.outputs)]
        assert [program.input_bytes, program.output_bytes] == sizes


def test_counting_agrees_with_a_convolutional_trunk_counted_by_hooks():
    """A second count of RepViT, from the outputs of its convolutions on a real image."""
    config = PRESETS["nano"]
    trunk = RepViT(config.repvit).eval()
    seen = []
    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda conv, _, out: seen.append(conv.weight.numel() * out.shape[2] * out.shape[3])
            )
    with torch.no_grad():
        trunk(torch.zeros(1, 3, 64, 64))
    expected = sum(seen)
    assert macs(trunk, 1, 3, 64, 64) == expected


def test_shapes_alone_cost_what_real_tensors_do(nano_model):
    """On the CPU, with values, the same operators run in the same order."""
    cost = model_cost(nano_model.config)
    for name, program in build_programs(nano_model).items():
        inputs = {spec.name: torch.rand(spec.shape) for spec in program.spec.inputs}
        count = OperatorCount([*inputs.values(), *Weights.of(program).tensors()])
        with torch.no_grad(), count:
            outputs = program(**inputs)
        found = cost.programs[name]
        assert (count.macs, count.peak_bytes(outputs)) == (found.macs, found.peak_activation_bytes)


def test_the_bank_is_the_contracts(config, cost):
    values = sum(torch.Size(tensor.shape).numel() for tensor in program_contract(config)["memory_encoder"].outputs)
    assert cost.bank_bytes("fp32") == 4 * values
    assert cost.bank_bytes("fp16") == 2 * values
    assert cost.memory_tokens == config.memory_tokens


# Gates: what `tinysam2` may cost.


def test_tinysam2_has_at_most_14_million_parameters(tinysam2):
    assert max(tinysam2.parameters, tinysam2.trained_parameters) <= 14_000_000


def test_a_tinysam2_bank_takes_at_most_0_27_mib_an_object_in_fp16(tinysam2):
    assert tinysam2.bank_bytes("fp16") <= 0.27 * MIB


def test_tinysam2_keeps_at_most_7_percent_of_sam2s_memory_tokens(tinysam2):
    assert tinysam2.memory_tokens <= 0.07 * 7 * 64 * 64
