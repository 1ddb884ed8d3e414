"""The report of a validation: every measurement and verdict, as data."""

from dataclasses import asdict, dataclass, field

from mobile_runtime.memory import ModelMemory
from validation.budget import Budget
from validation.environment import Environment, this_environment
from validation.gates import Gate
from validation.memory_measured import MeasuredMemory
from validation.parity import ChainParity, ProgramParity

REPORT_VERSION = 2
"""Raised when a field of the JSON report changes its meaning or goes."""


@dataclass(frozen=True)
class TargetReport:
    """One target's artifacts: what was measured and whether it passed.

    memory: what the artifacts tell. measured: in a fresh process; None where it was not.
    """

    target: str
    precision: str
    runtime: str
    versions: dict[str, str]
    programs: tuple[ProgramParity, ...]
    chain: ChainParity
    memory: ModelMemory
    measured: MeasuredMemory | None
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict:
        return {
            **asdict(self),
            "memory": _memory_json(self.memory),
            "programs": [{**asdict(program), "sqnr_db": program.sqnr_db} for program in self.programs],
            "chain": {**asdict(self.chain), "mean_iou": self.chain.mean_iou, "min_iou": self.chain.min_iou},
            "gates": [{**asdict(gate), "passed": gate.passed} for gate in self.gates],
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Report:
    """A whole validation: the float model, the clip, and every target.

    trained: whether the weights were ever trained; where not, parity is real and masks mean nothing.
    float_memory, float_measured: the float model's, as a target's are. environment: this process's, unless given.
    """

    preset: str
    weights: str
    weights_digest: str
    trained: bool
    clip: str
    frames: int
    width: int
    height: int
    objects: int
    budget: Budget
    float_memory: ModelMemory
    float_measured: MeasuredMemory | None
    targets: tuple[TargetReport, ...]
    environment: Environment = field(default_factory=this_environment)

    @property
    def passed(self) -> bool:
        return all(target.passed for target in self.targets)

    def to_json(self) -> dict:
        return {
            "report_version": REPORT_VERSION,
            **asdict(self),
            "float_memory": _memory_json(self.float_memory),
            "targets": [target.to_json() for target in self.targets],
            "passed": self.passed,
        }


def _memory_json(memory: ModelMemory) -> dict:
    return {**asdict(memory), "total": asdict(memory.total)}
