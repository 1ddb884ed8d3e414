"""A grid's encodings, held as one table of its rows and one of its columns, do what the whole tables do."""

import pytest
import torch

from tinysam2.models.network.position import AxialRotary, GridRotary, GridSine, SinePosition, grid_xy, rotate

DIM = 128


@pytest.fixture(scope="module", params=[2, 16, 64])
def side(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def rows(side) -> torch.Tensor:
    return torch.randn(2, side**2, DIM, generator=torch.Generator().manual_seed(side))


def test_a_grids_sine_is_added_to_the_last_bit(side, rows):
    whole = 0.1 * SinePosition(DIM, side)(grid_xy(side))
    assert torch.equal(GridSine(DIM, side, weight=0.1)(rows), rows + whole)


def test_a_grid_is_turned_to_the_last_bit(side, rows):
    assert torch.equal(GridRotary(DIM, side)(rows), rotate(rows, *AxialRotary(DIM)(grid_xy(side))))


def test_a_grids_tables_grow_with_its_side_and_are_in_no_checkpoint(side):
    for module, tables in ((GridSine(DIM, side, weight=1.0), 2), (GridRotary(DIM, side), 4)):
        assert sum(table.numel() for table in module.buffers()) == tables * side * DIM
        assert not module.state_dict()
