"""What the fields of a design do, and that each design is quantized, exported and frozen as the default is."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tinysam2.core.config import AttentionConfig
from tinysam2.core.contract import MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.models.network.bank import empty_bank
from tinysam2.models.network.layers import from_windows, in_windows, pooled_rows
from tinysam2.models.network.memory_attention import GridAttention, MemoryAttention
from tinysam2.models.network.memory_encoder import MaskDownsampler
from tinysam2.models.network.programs import build_programs
from tinysam2.models.quantization.conversion import quantization_aware
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
from tinysam2.models.weights.checkpoint import seeded_model

DESIGNS = {
    "pooled queries": {"attention": AttentionConfig(query_pool=2)},
    "pooled keys": {"attention": AttentionConfig(key_pool=2)},
    "windows": {"attention": AttentionConfig(window=2)},
    "windows of pooled keys": {"attention": AttentionConfig(window=2, key_pool=2)},
    "all pooled": {"attention": AttentionConfig(query_pool=2, key_pool=2)},
    "mask logits as they are": {"mask_downsampler_widths": (4, 8)},
    "smaller kernels": {"fuser_kernel": 5},
    "three convolutions": {"mask_downsampler_widths": (4, 8, 8)},
}


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(params=DESIGNS.values(), ids=DESIGNS)
def design(request, small_config):
    return replace(small_config, **request.param)


def seeded(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def as_image(rows: torch.Tensor, side: int) -> torch.Tensor:
    return rows.transpose(1, 2).reshape(len(rows), -1, side, side)


@pytest.mark.parametrize("pool", [1, 2, 4])
def test_pooled_rows_are_the_grids_average_pooling(pool):
    rows = seeded(2, 64, 3)
    wanted = F.avg_pool2d(as_image(rows, 8), pool)
    torch.testing.assert_close(as_image(pooled_rows(rows, 8, pool), 8 // pool), wanted)


def test_a_window_holds_the_cells_of_its_square_row_by_row():
    grid = torch.arange(16.0).reshape(1, 16, 1)
    windows = in_windows(grid, side=4, window=2)
    assert windows[:, :, 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


@pytest.mark.parametrize("window", [1, 2, 4])
def test_windows_come_back_as_the_grid_that_they_were(window):
    grid = seeded(2, 16, 3)
    assert torch.equal(from_windows(in_windows(grid, 4, window), 4, window), grid)


def unturned(x: torch.Tensor) -> torch.Tensor:
    return x


def attention_of(config, **fields) -> GridAttention:
    """Self-attention of one set of weights in any design."""
    torch.manual_seed(0)
    return GridAttention(replace(config, attention=AttentionConfig(**fields)))


def test_where_the_cells_of_a_block_are_equal_pooled_keys_change_nothing(small_config):
    blocks = seeded(1, 32, 2, 2)
    rows = blocks.repeat_interleave(2, 2).repeat_interleave(2, 3).flatten(2).transpose(1, 2)
    pooled, whole = attention_of(small_config, key_pool=2), attention_of(small_config)
    torch.testing.assert_close(pooled(rows, unturned, unturned), whole(rows, unturned, unturned))


def test_a_window_does_not_see_the_others(small_config):
    attention, rows = attention_of(small_config, window=2), seeded(1, 16, 32)
    changed = rows.clone()
    changed[:, 15] += 1
    before, after = (attention(x, unturned, unturned) for x in (rows, changed))
    moved = (before != after).any(2)[0]
    assert moved[[10, 11, 14, 15]].all()
    assert not moved[[i for i in range(16) if i not in (10, 11, 14, 15)]].any()


def test_one_window_over_the_grid_is_no_window(small_config):
    rows = seeded(1, 16, 32)
    one, none = attention_of(small_config, window=4), attention_of(small_config)
    torch.testing.assert_close(one(rows, unturned, unturned), none(rows, unturned, unturned))


def test_pooled_queries_keep_what_tells_the_cells_of_a_block_apart(small_config):
    """Attention adds to all cells of a constant image alike; their own features stay as they were."""
    config = replace(small_config, attention=AttentionConfig(query_pool=2))
    attention = MemoryAttention(config).eval()
    fine = seeded(1, 16, 32)
    blocks = pooled_rows(fine, 4, 2)
    added = attention._on_the_grid(blocks + 3, blocks, fine) - fine
    torch.testing.assert_close(added, torch.full_like(fine, 3))


def test_every_design_gives_the_contracts_shapes(design):
    for program in build_programs(seeded_model(design)).values():
        outputs = program(**{spec.name: seeded(*spec.shape) for spec in program.spec.inputs})
        assert [tuple(output.shape) for output in outputs] == [spec.shape for spec in program.spec.outputs]


def test_an_empty_bank_gives_every_design_its_features_and_the_no_memory_embedding(design):
    model, features = seeded_model(design), seeded(1, 32, 4, 4)
    conditioned = model.memory_attention(features, torch.zeros(1, 1), empty_bank(design))
    torch.testing.assert_close(conditioned, features + model.memory_attention.no_memory[:, :, None, None])


def test_every_design_is_quantized_whole_and_exported(design):
    variant = quantization_aware(seeded_model(design), DEFAULT_RECIPE)
    names = {name.partition(".")[0] for name, module in variant.named_modules() if hasattr(module, "active")}
    assert names == {"image_encoder", "memory_attention", "mask_decoder", "memory_encoder"}
    programs = build_programs(seeded_model(design))
    for program in (programs[MEMORY_ATTENTION], programs[MEMORY_ENCODER]):
        example = {spec.name: seeded(*spec.shape) for spec in program.spec.inputs}
        exported = torch.export.export(program, (), example, strict=False).module()
        for ours, theirs in zip(program(**example), exported(**example), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("widths", [(4, 8), (4, 8, 16), (4, 16, 64, 256)])
def test_a_mask_downsampler_halves_its_mask_as_often_as_it_has_widths(widths):
    side = 4 * 2 ** len(widths)
    assert MaskDownsampler(widths, 32)(seeded(1, 1, side, side)).shape == (1, 32, 4, 4)


def test_two_widths_take_the_mask_logits_as_they_are(small_config, monkeypatch):
    design = replace(small_config, mask_downsampler_widths=(4, 8))
    program = build_programs(seeded_model(design))[MEMORY_ENCODER]
    monkeypatch.setattr(F, "interpolate", None)
    program(**{spec.name: seeded(*spec.shape) for spec in program.spec.inputs})
