"""Which tensors are alive at once, from when each is made and last read: one sweep for every kind of program."""

from collections.abc import Iterable
from typing import NamedTuple

BEFORE = -1
"""The step before the first operation, when only the inputs are there."""


class Lifetime(NamedTuple):
    """A tensor, its bytes, and the first and the last step at which it is held, both included."""

    name: str
    bytes: int
    first: int
    last: int


class Moment(NamedTuple):
    """A step (`BEFORE`, then 0, 1, ... by operation), and name and bytes of each tensor alive then, largest first."""

    step: int
    tensors: tuple[tuple[str, int], ...]

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.tensors)


def fullest_moment(lifetimes: Iterable[Lifetime]) -> Moment:
    """The first step at which the tensors alive take the most bytes."""
    lifetimes = list(lifetimes)
    changes: dict[int, int] = {BEFORE: 0}
    for tensor in lifetimes:
        changes[tensor.first] = changes.get(tensor.first, 0) + tensor.bytes
        changes[tensor.last + 1] = changes.get(tensor.last + 1, 0) - tensor.bytes
    alive, most, fullest = 0, -1, BEFORE
    for step in sorted(changes):
        alive += changes[step]
        if alive > most:
            most, fullest = alive, step
    held = [(tensor.name, tensor.bytes) for tensor in lifetimes if tensor.first <= fullest <= tensor.last]
    return Moment(fullest, tuple(sorted(held, key=lambda item: -item[1])))
