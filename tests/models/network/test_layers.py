"""Each shared layer equals what it stands for."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tinysam2.models.network.layers import (
    MASKED,
    MLP,
    LayerNorm2d,
    Upsample2x,
    attend,
    one_hot,
    rank_in_steps,
    shuffled,
    stable_rank,
)

BOUND = 5.0
scores = st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0]) | st.floats(-9, 9, width=32), min_size=1, max_size=12)


def seeded(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(scores)
def test_stable_rank_is_the_place_in_pythons_stable_sort(values):
    order = sorted(range(len(values)), key=lambda i: -values[i])
    expected = [order.index(i) for i in range(len(values))]
    assert stable_rank(torch.tensor([values]))[0].tolist() == expected


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(scores, min_size=2, max_size=2).map(lambda rows: [row[: min(map(len, rows))] for row in rows]))
def test_rows_of_a_batch_are_ranked_apart(rows):
    together = stable_rank(torch.tensor(rows))
    assert torch.equal(together, torch.cat([stable_rank(torch.tensor([row])) for row in rows]))


def test_of_equal_scores_the_earlier_ranks_first():
    assert stable_rank(torch.tensor([[0.0, 1.0, 0.0, 1.0, -0.0]])).tolist() == [[2, 0, 3, 1, 4]]


def test_one_hot_marks_the_index_and_nothing_outside_its_range():
    rows = one_hot(torch.tensor([[0.0, 2.0, -1.0, 3.0]]), 3)
    assert rows.tolist() == [[[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2), (8, 4)])
def test_upsampling_is_a_transposed_convolution(inputs, outputs):
    transposed = nn.ConvTranspose2d(inputs, outputs, 2, 2)
    ours = Upsample2x(inputs, outputs)
    ours.conv.weight.data, ours.conv.bias.data = Upsample2x.from_transposed(transposed.weight, transposed.bias)
    image = seeded(2, inputs, 3, 5)
    torch.testing.assert_close(ours(image), transposed(image), atol=1e-6, rtol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs_own(masked):
    query, key, value = seeded(2, 3, 5, 8), seeded(2, 3, 7, 8), seeded(2, 3, 7, 8)
    mask = torch.where(seeded(2, 1, 1, 7) > 0, MASKED, 0.0) if masked else None
    expected = F.scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(attend(query, key, value, mask), expected, atol=1e-6, rtol=0)


def test_a_masked_key_has_no_weight_at_all_in_fp32_and_fp16():
    query, key = seeded(1, 1, 2, 8), seeded(1, 1, 3, 8)
    mask = torch.tensor([0.0, 0.0, MASKED])
    for dtype in (torch.float32, torch.float16):
        weights = attend(query.to(dtype), key.to(dtype), torch.eye(3, dtype=dtype), mask.to(dtype))
        assert weights[..., 2].abs().max() == 0
        assert weights.isfinite().all()


def test_layer_norm_2d_normalises_each_pixel_over_its_channels():
    norm = LayerNorm2d(6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    image = 3 * seeded(2, 6, 4, 5) + 1
    mean = image.mean(1, keepdim=True)
    deviation = ((image - mean) ** 2).mean(1, keepdim=True)
    expected = (image - mean) / (deviation + 1e-6).sqrt()
    expected = expected * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(image), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_an_mlp_has_relu_between_its_layers_and_none_after_the_last(layers):
    mlp = MLP(4, 6, 3, layers)
    with_relu = [step for layer in mlp.layers for step in (layer, nn.ReLU())][:-1]
    x = seeded(5, 4)
    assert [layer.in_features for layer in mlp.layers] == [4, *[6] * (layers - 1)]
    assert torch.equal(mlp(x), nn.Sequential(*with_relu)(x))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(scores.map(lambda values: [value / 2 for value in values]))
def test_rank_in_steps_is_the_stable_rank_of_scores_rounded_to_its_steps(values):
    given = torch.tensor([values])
    steps = 2.0 ** math.floor(math.log2(2**24 / (2 * BOUND * len(values))))
    assert torch.equal(rank_in_steps(given, BOUND), stable_rank(torch.round(given * steps)))


@pytest.mark.parametrize("count", [64, 1024, 4096])
def test_every_rank_is_given_once_however_many_scores_there_are(count):
    values = seeded(1, count).clamp(-BOUND, BOUND)
    values[:, ::3] = BOUND
    values[:, 1::3] = -BOUND
    assert torch.equal(rank_in_steps(values, BOUND).sort()[0], torch.arange(count)[None].float())


@pytest.mark.parametrize("shape", [(1, 8, 3, 5), (2, 4, 1, 1), (2, 12, 4, 2)])
def test_shuffled_is_the_pixel_shuffle(shape):
    x = seeded(*shape)
    assert torch.equal(shuffled(x), F.pixel_shuffle(x, 2))
