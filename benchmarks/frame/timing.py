"""Times of many calls, taken in turn, so that other work on the machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

Rounds = Mapping[int, float]
"""Seconds by round; a slow call is left out of most rounds."""

Clock = Callable[[], float]

WALL, PROCESSOR = "wall", "processor"

CLOCKS: Mapping[str, Clock] = {WALL: time.perf_counter, PROCESSOR: time.process_time}
"""Wall time, or the processor time of all threads of this process: on a busy machine and one thread, the time that the
call would take alone."""

SLOW = 5.0
"""Seconds of a call in its first round from which on it is slow."""

SLOW_EVERY = 4
"""A slow call runs in every so manieth round."""


@dataclass(frozen=True)
class Spread:
    """Median, quartiles and least of several values."""

    median: float
    lower: float
    upper: float
    least: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value; a single one is its own quartiles."""
        lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        return cls(middle, lower, upper, min(values), len(values))


def in_turn(
    calls: Mapping[Key, Callable[[], object]],
    rounds: int,
    progress: Callable[[int], None] = lambda rounds_done: None,
    clock: Clock = CLOCKS[WALL],
) -> dict[Key, Rounds]:
    """Seconds of every call, round by round; one round before the first warms up and is not counted.

    A round makes every call once, in the given order or, every second time, in the opposite one.
    """
    taken: dict[Key, dict[int, float]] = {key: {} for key in calls}
    for index in range(-1, rounds):
        for key in list(calls) if index % 2 else reversed(list(calls)):
            if index > 0 and taken[key][0] >= SLOW and index % SLOW_EVERY:
                continue
            began = clock()
            calls[key]()
            if index >= 0:
                taken[key][index] = clock() - began
        progress(index + 1)
    return taken


def summed(parts: Sequence[Rounds]) -> Rounds:
    """The sum of several calls in each round in which all of them ran."""
    shared = set.intersection(*(set(part) for part in parts)) if parts else set()
    return {index: sum(part[index] for part in parts) for index in sorted(shared)}


def ratio(ours: Rounds, theirs: Rounds) -> Spread | None:
    """Ours over theirs, round by round; None where they share no round."""
    shared = sorted(set(ours) & set(theirs))
    return Spread.of([ours[index] / theirs[index] for index in shared]) if shared else None
