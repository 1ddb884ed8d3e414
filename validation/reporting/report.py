"""The report of a validation: every measurement and verdict, as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from tinysam2.core.artifacts import UNKNOWN_LICENCE
from tinysam2.mobile_runtime.layout import Layouts, ProgramLayout, TensorLayout
from tinysam2.mobile_runtime.memory.accounting import ModelMemory
from tinysam2.validation.gate import Gate
from tinysam2.validation.memory.budget import Budget
from tinysam2.validation.memory.gates import is_of_growth
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.parity.bank_states import StateCalls
from tinysam2.validation.parity.check import ChainParity, ProgramParity
from tinysam2.validation.parity.gates import regresses
from tinysam2.validation.reporting.environment import Environment, this_environment

REPORT_VERSION = 4
"""Raised when a field of the JSON report changes its meaning or goes."""


@dataclass(frozen=True)
class ClipReport:
    """One clip: its frames, their size in pixels, the objects that were tracked, and the calls of the memory encoder in
    each state of the bank, whose names are those of `bank_states`."""

    name: str
    frames: int
    width: int
    height: int
    objects: int
    states: Mapping[str, StateCalls]


@dataclass(frozen=True)
class TargetReport:
    """One target's artifacts: what was measured and whether it passed.

    memory: what the artifacts tell; None where they do not. measured: in a fresh process; None where it was not.
    not_available: what the target does not offer, so that no gate judges it. layouts: how the programs' tensors lie in
    memory; None where the artifacts do not tell.
    """

    target: str
    precision: str
    runtime: str
    versions: dict[str, str]
    programs: tuple[ProgramParity, ...]
    chain: ChainParity
    memory: ModelMemory | None
    measured: MeasuredMemory | None
    gates: tuple[Gate, ...]
    not_available: tuple[str, ...] = ()
    layouts: Layouts | None = None

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict:
        return {
            **asdict(self),
            "memory": self.memory and _memory_json(self.memory),
            "layouts": self.layouts and {name: _layout_json(layout) for name, layout in self.layouts.items()},
            "programs": [{**asdict(program), "sqnr_db": program.sqnr_db} for program in self.programs],
            "chain": self._chain_json(),
            "gates": [{**asdict(gate), "passed": gate.passed} for gate in self.gates],
            "passed": self.passed,
        }

    def _chain_json(self) -> dict:
        clips = [
            {
                **asdict(clip),
                "mean_iou": clip.mean_iou,
                "min_iou": clip.min_iou,
                "points_lost": clip.points_lost,
                "regressed": regresses(self.precision, clip),
            }
            for clip in self.chain.clips
        ]
        names = ("mean_iou", "min_iou", "raw_iou", "sqnr_by_state", "score", "float_score")
        return {**asdict(self.chain), "clips": clips, **{name: getattr(self.chain, name) for name in names}}


@dataclass(frozen=True)
class Report:
    """A whole validation: the float model, the clips, and every target.

    trained: whether the weights were ever trained; where not, parity is real and masks mean nothing. licence,
    trained_on: the weights' terms, and the data sets behind them.
    float_memory, float_measured: the float model's, as a target's are. environment: this process's, unless given.
    """

    preset: str
    weights: str
    weights_digest: str
    trained: bool
    clips: tuple[ClipReport, ...]
    budget: Budget
    float_memory: ModelMemory
    float_measured: MeasuredMemory | None
    targets: tuple[TargetReport, ...]
    environment: Environment = field(default_factory=this_environment)
    licence: str = UNKNOWN_LICENCE
    trained_on: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(target.passed for target in self.targets)

    @property
    def states(self) -> dict[str, StateCalls]:
        """The calls of the memory encoder in each state, over all clips."""
        return {
            name: sum((clip.states[name] for clip in self.clips), start=StateCalls()) for name in self.clips[0].states
        }

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The states of the bank that no call met."""
        return tuple(name for name, calls in self.states.items() if not calls.met)

    def reproducible(self) -> "Report":
        """The report without what differs from one run to the next: the memory that processes took, and the verdicts
        on it where they passed."""
        targets = (
            replace(
                target,
                measured=None,
                gates=tuple(gate for gate in target.gates if not (is_of_growth(gate) and gate.passed)),
            )
            for target in self.targets
        )
        return replace(self, float_measured=None, targets=tuple(targets))

    def to_json(self) -> dict:
        return {
            "report_version": REPORT_VERSION,
            **asdict(self),
            "states": {name: asdict(calls) for name, calls in self.states.items()},
            "uncovered": self.uncovered,
            "float_memory": _memory_json(self.float_memory),
            "targets": [target.to_json() for target in self.targets],
            "passed": self.passed,
        }


def _memory_json(memory: ModelMemory) -> dict:
    return {**asdict(memory), "total": asdict(memory.total)}


def _layout_json(layout: ProgramLayout) -> dict:
    def tensors(side: tuple[TensorLayout, ...]) -> list[dict]:
        return [{**asdict(tensor), "strides": tensor.strides, "contiguous": tensor.contiguous} for tensor in side]

    return {"inputs": tensors(layout.inputs), "outputs": tensors(layout.outputs)}
