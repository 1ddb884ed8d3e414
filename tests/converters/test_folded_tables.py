"""Sines and cosines of the grid as constants of the exported mask decoder, where a converter's own would differ."""

import pytest
import torch

from tinysam2.converters.export import export_programs
from tinysam2.core.contract import MASK_DECODER


@pytest.fixture
def exported(nano_model):
    """The mask decoder's exported graph, its tables folded or not."""

    def export(fold_tables: bool):
        [decoder] = (made for made in export_programs(nano_model, fold_tables) if made.name == MASK_DECODER)
        return decoder

    return export


def sines(decoder) -> int:
    return sum(node.target is torch.ops.aten.sin.default for node in decoder.graph.graph.nodes)


def test_the_sines_of_the_grid_are_gone_and_those_of_points_stay(exported):
    assert (sines(exported(False)), sines(exported(True))) == (3, 1)


def test_not_a_bit_of_the_answer_changes(exported):
    plain, folded = exported(False), exported(True)
    generator = torch.Generator().manual_seed(0)
    inputs = {name: torch.rand(value.shape, generator=generator) for name, value in plain.example.items()}
    for kept, computed in zip(plain.graph.module()(**inputs), folded.graph.module()(**inputs), strict=True):
        assert torch.equal(kept, computed)
