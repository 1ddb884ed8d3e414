"""What the gates say of a fault, and how far it changes masks."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.faults.bench import Bench, Broken, Fault
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.validation.gate import Gate
from tinysam2.validation.parity.check import ParityCheck
from tinysam2.validation.parity.gates import parity_gates
from tinysam2.validation.parity.layout_gates import layout_gates
from tinysam2.validation.parity.scenes import Scene
from tinysam2.validation.validate import follow_scene

VISIBLE_IOU = 0.98
"""Mean mask IoU with the float model's below which masks change visibly: of an object 100 pixels across, half a pixel
all along its outline is 2 % of it."""


@dataclass(frozen=True)
class Finding:
    """One fault in one artifact.

    verdict: "refused" (the artifact is not loaded at all), "failed" (by the gates named in caught_by) or "passed".
    mean_iou, min_iou: mask IoU with the float model's masks, over frames; points_lost: J&F of 100 below the float
    model's; sqnr_db: the least of any output, and its program. None where the artifact was refused; `refusal` then
    holds the sentence.
    """

    fault: str
    what: str
    of: str
    artifact: str
    verdict: str
    caught_by: tuple[str, ...] = ()
    mean_iou: float | None = None
    min_iou: float | None = None
    points_lost: float | None = None
    sqnr_db: float | None = None
    program: str = ""
    refusal: str = ""

    @property
    def visible(self) -> bool:
        return self.mean_iou is not None and self.mean_iou < VISIBLE_IOU

    def to_json(self) -> dict:
        return {**asdict(self), "visible": self.visible}


def follow(
    bench: Bench, faulty: Mapping[Fault, Broken], reference: TorchBackend, scene: Scene, frames: Iterable[np.ndarray]
) -> list[Finding]:
    """Plays a clip to the float model once, with every broken backend behind it."""
    checks = {fault: ParityCheck(broken.backend) for fault, broken in faulty.items()}
    follow_scene(scene, frames, reference, checks)
    return [_finding(fault, bench, check, faulty[fault].integers) for fault, check in checks.items()]


def refused(bench: Bench, fault: Fault, sentence: str) -> Finding:
    """What is found where loading the broken artifact raised InputError."""
    return Finding(fault.name, fault.what, fault.of, bench.name, "refused", refusal=sentence)


def _finding(fault: Fault, bench: Bench, check: ParityCheck, integers: tuple[Gate, ...]) -> Finding:
    programs, chain = check.programs(), check.chain()
    gates = (
        *parity_gates(bench.card.precision, programs, chain),
        *layout_gates(check.backend.layouts()),
        *integers,
    )
    failed = tuple(_in_words(gate) for gate in gates if not gate.passed)
    worst = min(programs, key=lambda program: program.sqnr_db)
    [clip] = chain.clips
    return Finding(
        fault.name,
        fault.what,
        fault.of,
        bench.name,
        "failed" if failed else "passed",
        failed,
        clip.mean_iou,
        clip.min_iou,
        clip.points_lost,
        worst.sqnr_db,
        worst.program,
    )


def _in_words(gate: Gate) -> str:
    return f"{gate.subject} SQNR" if gate.measure == "SQNR dB" else gate.measure
