"""The operations of a program as a runtime executed them, and how long each took."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.contract import ProgramSpec, program_contract

WARM_UPS = 2
"""Runs before those that count: the first one packs weights and touches memory."""

SEED = 0


@dataclass(frozen=True)
class Time:
    """Milliseconds over the runs: the least, which other work on the machine disturbs least, and the median."""

    least: float
    median: float


@dataclass(frozen=True)
class Operation:
    """One operation of a program.

    name: as the runtime calls it. place: where it stands in the program. time: over the runs. delegated: whether the
    delegate computes it. weights: shapes of the constants that an undelegated operation reads. reason: why it is not
    delegated, where that is written down. node: its key in Model Explorer's graph of the file, several operations of
    one call of the delegate sharing one; None where the graph does not show it.
    """

    name: str
    place: str
    time: Time
    delegated: bool
    weights: tuple[tuple[int, ...], ...] = ()
    reason: str | None = None
    node: str | None = None


@dataclass(frozen=True, eq=False)
class ProgramProfile:
    """A program's operations in the order in which they ran.

    time: of whole runs by the same clock, which on a busy machine hold more than the operations do.
    """

    program: str
    time: Time
    operations: Sequence[Operation]

    def most_expensive(self, count: int) -> list[Operation]:
        """The operations that took longest, the longest first."""
        return sorted(self.operations, key=lambda operation: -operation.time.least)[:count]

    def share(self, operations: Sequence[Operation]) -> float:
        """What these operations take of all operations' time, 0..1."""
        return _sum(operations) / (self.milliseconds or 1.0)

    @property
    def milliseconds(self) -> float:
        """The sum of all operations' least times."""
        return _sum(self.operations)

    @property
    def undelegated(self) -> list[Operation]:
        return [operation for operation in self.operations if not operation.delegated]

    def to_json(self) -> dict[str, object]:
        """Everything, the most expensive operation first."""
        return {
            "milliseconds": round(self.milliseconds, 6),
            "whole_runs": asdict(self.time),
            "undelegated_share": round(self.share(self.undelegated), 4),
            "operations": [asdict(operation) for operation in self.most_expensive(len(self.operations))],
        }


@dataclass
class Timeline:
    """The milliseconds of each step over several runs. Steps are told apart by their keys, in the first run's order."""

    runs: dict[object, list[float]] = field(default_factory=dict)

    def add(self, key: object, milliseconds: float) -> None:
        self.runs.setdefault(key, []).append(milliseconds)

    def times(self) -> Iterator[tuple[object, Time]]:
        return ((key, Time(min(spent), statistics.median(spent))) for key, spent in self.runs.items())


def _sum(operations: Sequence[Operation]) -> float:
    return sum(operation.time.least for operation in operations)


def profile_artifacts(
    folder: Path, card: ArtifactCard, runs: int, threads: int, begin: Callable[[str], None] = lambda step: None
) -> list[ProgramProfile]:
    """The programs of a card's artifacts, each run `runs` times on inputs of its contract's shapes.

    The inputs are random: no operation's time depends on values. begin: is told each step. Raises InputError where
    the target has no profiler, its runtime is not installed, or the artifacts cannot be read.
    """
    profiler = card.target_entry.load_profiler()
    profiles = []
    for spec in program_contract(card.config).values():
        begin(f"profiling {spec.name}, {runs} runs")
        path = folder / card.files[spec.name]
        profiles.append(profiler.profile_program(path, spec, random_inputs(spec, card.io_dtype), runs, threads))
    return profiles


def random_inputs(spec: ProgramSpec, dtype: str) -> Mapping[str, np.ndarray]:
    """Inputs of a program by name, uniform in 0..1."""
    random = np.random.default_rng(SEED)
    return {tensor.name: random.random(tensor.shape, np.float32).astype(dtype) for tensor in spec.inputs}
