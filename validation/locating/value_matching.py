"""Which of an artifact's values is which of the float model's: names differ and layouts differ, numbers do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tinysam2.scoring.metrics import sqnr_db

NEAR_ENERGY = 0.05
"""Difference of energies, as a share, above which two values are not compared: it is 26 dB, below every limit."""


@dataclass(frozen=True, eq=False)
class Match:
    """An artifact's value in the float model's layout: its number in the file's order, the value, and its SQNR in dB
    against what was looked for."""

    number: int
    value: Tensor
    sqnr_db: float


class ComputedValues:
    """The values of one run of an artifact, to be found by their numbers."""

    def __init__(self, computed: Sequence[np.ndarray]) -> None:
        self._flat = [np.asarray(value, np.float32).ravel() for value in computed]
        self._energies = [_energy(flat) for flat in self._flat]
        self._by_size: dict[int, list[int]] = {}
        for number, flat in enumerate(self._flat):
            self._by_size.setdefault(flat.size, []).append(number)
        self.claimed: set[int] = set()

    def nearest(self, wanted: Tensor, limit_db: float) -> Match | None:
        """The value that is nearest to a wanted one, in any layout; None where none comes within a limit.

        All that come within it are claimed, as a file may hold a value in several layouts.
        """
        energy = _energy(wanted.numpy())
        near = [
            number
            for number in self._by_size.get(wanted.numel(), ())
            if abs(self._energies[number] - energy) <= NEAR_ENERGY * energy
        ]
        found = [match for number in near for match in self._in_layouts(number, wanted) if match.sqnr_db >= limit_db]
        self.claimed.update(match.number for match in found)
        return max(found, key=lambda match: match.sqnr_db, default=None)

    def likely(self, wanted: Tensor, most: int) -> list[Match]:
        """Unclaimed values of the wanted one's size: those that resemble it first, then the file's first."""
        free = [number for number in self._by_size.get(wanted.numel(), ()) if number not in self.claimed]
        matches = [match for number in free for match in self._in_layouts(number, wanted)]
        resembling = sorted(matches, key=lambda match: -match.sqnr_db)[:most]
        return [*resembling, *(match for match in matches[:most] if match not in resembling)]

    def _in_layouts(self, number: int, wanted: Tensor) -> Iterator[Match]:
        for order in _orders(tuple(wanted.shape)):
            stored = tuple(wanted.shape[axis] for axis in order)
            back = tuple(np.argsort(order))
            value = self._flat[number].reshape(stored).transpose(back)
            yield Match(number, torch.from_numpy(np.ascontiguousarray(value)), sqnr_db(wanted.numpy(), value))


def _orders(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Orders of axes that a file may keep a value in and that differ: as it is, channels last or first, the last two
    swapped. Axes of one element stand anywhere."""
    rank = len(shape)
    orders = [tuple(range(rank))]
    if rank >= 2:
        orders.append((*range(rank - 2), rank - 1, rank - 2))
    if rank >= 3:
        orders += [(0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))]
    if rank == 4:
        orders.append((0, 2, 1, 3))
    different = {tuple(axis for axis in order if shape[axis] > 1): order for order in reversed(orders)}
    return list(different.values())[::-1]


def _energy(value: np.ndarray) -> float:
    flat = value.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.dot(flat, flat))
