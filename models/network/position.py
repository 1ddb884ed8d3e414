"""Position encodings: sine, rotary and random Fourier. Coordinates are x, y; angles are radians."""

import math

import torch
from torch import Tensor, nn


def grid_xy(side: int, step: int = 1) -> Tensor:
    """Centres of square blocks of `step` cells on a grid, row by row, in cells: [(side/step)^2, 2].

    A cell's own centre is its whole-numbered index, as in SAM 2; a 2x2 block's lies half a cell further.
    """
    centres = torch.arange(0, side, step, dtype=torch.float32) + (step - 1) / 2
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


class SinePosition(nn.Module):
    """Sine encoding of grid coordinates: xy [B, n, 2] in cells -> [B, n, dim].

    Source: SAM 2 `PositionEmbeddingSine`, normalised, here for any coordinate and not only for whole grids.
    """

    frequencies: Tensor
    offset: Tensor

    def __init__(self, dim: int, side: int, temperature: float = 10000.0) -> None:
        super().__init__()
        half = dim // 2
        frequency = temperature ** (-2 * torch.div(torch.arange(half), 2, rounding_mode="floor") / half)
        frequency = frequency * 2 * math.pi / (side + 1e-6)
        # Rows x and y; SAM 2 puts y's half first. Odd channels are cosines, written as shifted sines.
        frequencies = torch.stack([torch.cat([0 * frequency, frequency]), torch.cat([frequency, 0 * frequency])])
        phase = torch.tensor([0.0, math.pi / 2]).repeat(half)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("offset", frequencies.sum(0) + phase, persistent=False)

    def forward(self, xy: Tensor) -> Tensor:
        return torch.sin(xy @ self.frequencies + self.offset)


class AxialRotary(nn.Module):
    """Cosines and sines that turn queries and keys by their coordinates: xy [..., n, 2] -> two [..., n, dim/2].

    Source: SAM 2 `compute_axial_cis`. SAM 2 turns neighbouring channels as pairs; here a pair's two halves lie
    dim/2 apart, which slices without a permutation. `halves_from_pairs` reorders projections accordingly.
    """

    frequencies: Tensor

    def __init__(self, dim: int, theta: float = 10000.0) -> None:
        super().__init__()
        quarter = dim // 4
        frequency = theta ** -(torch.arange(quarter, dtype=torch.float32) / quarter)
        zero = torch.zeros_like(frequency)
        frequencies = torch.stack([torch.cat([frequency, zero]), torch.cat([zero, frequency])])
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, xy: Tensor) -> tuple[Tensor, Tensor]:
        angle = xy @ self.frequencies
        return torch.cos(angle), torch.sin(angle)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the two halves of the last dimension as pairs: x [..., n, dim]; cos, sin [..., n, dim/2]."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def by_axis(encoding: Tensor, side: int, neutral: float) -> tuple[Tensor, Tensor]:
    """A grid's encoding [side^2, dim] as one of its rows, [side, 1, dim], and one of its columns, [1, side, dim].

    Each of its channels tells one coordinate alone; the table of the other axis holds `neutral` there, 0 to add both
    or 1 to multiply by both, to the last bit. Apply one after the other: converters would fold what joins both into
    a constant of the grid's size.
    """
    grid = encoding.reshape(side, side, -1)
    of_rows = (grid == grid[:, :1]).all(0).all(0)
    return torch.where(of_rows, grid[:, :1], neutral), torch.where(of_rows, neutral, grid[:1])


class GridSine(nn.Module):
    """Adds the sine encoding of a whole grid, times a weight, to its rows: [B, (side/step)^2, dim] -> the same shape.

    side: of the feature grid in cells; step: side of the blocks of cells that the rows stand for.
    """

    rows: Tensor
    less_columns: Tensor

    def __init__(self, dim: int, side: int, weight: float, step: int = 1) -> None:
        super().__init__()
        encoding = weight * SinePosition(dim, side)(grid_xy(side, step))
        rows, columns = by_axis(encoding, side // step, neutral=0.0)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("less_columns", -columns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # LiteRT's converter joins two additions of constants into one.
        return (_as_grid(x, self.rows) + self.rows - self.less_columns).reshape(x.shape)


class GridRotary(nn.Module):
    """What `rotate` does, for a whole grid's rows in order: [B, (side/step)^2, dim] -> the same shape.

    side: of the feature grid in cells; step: side of the blocks of cells that the rows stand for.
    """

    cos_rows: Tensor
    cos_columns: Tensor
    sin_rows: Tensor
    sin_columns: Tensor

    def __init__(self, dim: int, side: int, step: int = 1) -> None:
        super().__init__()
        cos, sin = AxialRotary(dim)(grid_xy(side, step))
        for name, table in (("cos", torch.cat([cos, cos], dim=-1)), ("sin", torch.cat([-sin, sin], dim=-1))):
            rows, columns = by_axis(table, side // step, neutral=1.0)
            self.register_buffer(f"{name}_rows", rows, persistent=False)
            self.register_buffer(f"{name}_columns", columns, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        other = _as_grid(torch.cat([x[..., half:], x[..., :half]], dim=-1), self.cos_rows)
        own = _as_grid(x, self.cos_rows)
        rotated = own * self.cos_rows * self.cos_columns + other * self.sin_rows * self.sin_columns
        return rotated.reshape(x.shape)


def _as_grid(x: Tensor, rows: Tensor) -> Tensor:
    return x.reshape(x.shape[0], len(rows), len(rows), x.shape[-1])


def halves_from_pairs(dim: int) -> Tensor:
    """Index of SAM 2's rotary channels (neighbours are pairs) in the order that `rotate` wants."""
    return torch.cat([torch.arange(0, dim, 2), torch.arange(1, dim, 2)])


def sine_1d(position: Tensor, dim: int, temperature: float = 10000.0) -> Tensor:
    """Sine encoding of scalars: [B, n] -> [B, n, dim]. Source: SAM 2 `get_1d_sine_pe`."""
    half = dim // 2
    channel = torch.arange(half, dtype=torch.float32, device=position.device)
    frequency = temperature ** (-2 * torch.div(channel, 2, rounding_mode="floor") / half)
    angle = position[..., None] * frequency
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=-1)


class FourierPosition(nn.Module):
    """Random Fourier features: xy [..., 2] in 0..1 -> [..., dim]. Source: SAM `PositionEmbeddingRandom`."""

    gaussian: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("gaussian", torch.randn(2, dim // 2))

    def forward(self, xy: Tensor) -> Tensor:
        angle = 2 * math.pi * ((2 * xy - 1) @ self.gaussian)
        return torch.cat([torch.sin(angle), torch.cos(angle)], dim=-1)

    def grid_tables(self, side: int) -> Tensor:
        """Sine and cosine of the angles of a side x side grid's columns, then of its rows: [4, side, dim/2]."""
        centres = (torch.arange(side).to(self.gaussian) + 0.5) / side
        of_columns, of_rows = (2 * math.pi * (2 * centres[:, None] - 1) * axis for axis in self.gaussian)
        return torch.stack([of_columns.sin(), of_columns.cos(), of_rows.sin(), of_rows.cos()])


def fourier_of_grid(tables: Tensor) -> Tensor:
    """Fourier encoding of a whole grid in rows, from `FourierPosition.grid_tables`: [1, side^2, dim].

    A cell's angle is its column's and its row's together.
    """
    sin_x, cos_x = tables[0:1], tables[1:2]
    sin_y, cos_y = tables[2][:, None], tables[3][:, None]
    encoding = torch.cat([sin_x * cos_y + cos_x * sin_y, cos_x * cos_y - sin_x * sin_y], dim=-1)
    return encoding.reshape(1, -1, encoding.shape[-1])
