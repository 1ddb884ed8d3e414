"""The report of a validation: every measurement and verdict, as data."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mobile_runtime.backend import ProgramMemory
from models.files import atomic_path
from validation.gates import Gate
from validation.parity import ChainParity, ProgramParity

REPORT_VERSION = 1
"""Raised when a field of the JSON report changes its meaning or goes."""


@dataclass(frozen=True)
class TargetReport:
    """One target's artifacts: what was measured and whether it passed."""

    target: str
    precision: str
    runtime: str
    versions: dict[str, str]
    programs: tuple[ProgramParity, ...]
    chain: ChainParity
    memory: dict[str, ProgramMemory]
    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict:
        return {
            **asdict(self),
            "programs": [{**asdict(program), "sqnr_db": program.sqnr_db} for program in self.programs],
            "chain": {**asdict(self.chain), "mean_iou": self.chain.mean_iou, "min_iou": self.chain.min_iou},
            "gates": [{**asdict(gate), "passed": gate.passed} for gate in self.gates],
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Report:
    """A whole validation: the float model, the clip, and every target.

    trained: whether the weights were ever trained; where not, parity is real and masks mean nothing.
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
    targets: tuple[TargetReport, ...]

    @property
    def passed(self) -> bool:
        return all(target.passed for target in self.targets)

    def to_json(self) -> dict:
        return {
            "report_version": REPORT_VERSION,
            **asdict(self),
            "targets": [target.to_json() for target in self.targets],
            "passed": self.passed,
        }

    def write(self, path: Path) -> None:
        """Writes the JSON report, whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")
