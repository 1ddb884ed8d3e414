"""Designs begin with what fits of the pretrained weights."""

from dataclasses import replace

import torch

from benchmarks import design_ablation
from benchmarks.design_ablation import fit_downsampler, with_fitting_weights
from tests.benchmarks.tiny import TINY
from tinysam2.models.weights.checkpoint import seeded_model


def test_equal_shapes_are_taken_and_of_a_larger_kernel_its_middle():
    pretrained = seeded_model(TINY, seed=1)
    design = with_fitting_weights(replace(TINY, fuser_kernel=5), pretrained)
    small, large = design.memory_encoder.fuser[0].depthwise, pretrained.memory_encoder.fuser[0].depthwise
    assert torch.equal(small.weight, large.weight[:, :, 1:-1, 1:-1])
    assert torch.equal(design.mask_decoder.mask_tokens.weight, pretrained.mask_decoder.mask_tokens.weight)


def test_another_mask_downsampler_comes_to_give_what_the_pretrained_one_gives(monkeypatch):
    monkeypatch.setattr(design_ablation, "FITTING_STEPS", 60)
    pretrained = seeded_model(TINY).memory_encoder
    encoder = seeded_model(replace(TINY, mask_downsampler_widths=(8, 16)), seed=1).memory_encoder
    masks = (torch.rand(8, 1, 1, 16, generator=torch.Generator().manual_seed(0)) > 0.5).float().expand(-1, -1, 16, -1)
    prompted = torch.zeros(8, 1)

    def error() -> float:
        with torch.no_grad():
            wanted = pretrained.embed_mask(20 * masks - 10, prompted)
            return float((encoder.embed_mask(20 * masks - 10, prompted) - wanted).square().mean() / wanted.var())

    before = error()
    fit_downsampler(encoder, pretrained, masks)
    assert error() < before / 2
