"""Parity: an artifact's programs on recorded inputs, and the clip that it tracks by itself, against the float model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mobile_runtime.backend import Backend
from mobile_runtime.prompts import Prompt
from mobile_runtime.tracker import TrackedFrame, Tracker
from models.contract import MEMORY_ENCODER
from validation.metrics import cosine, mask_iou, max_abs_error, sqnr_db
from validation.recording import Call
from validation.token_match import TOKENS, TOKENS_XY, match_tokens


@dataclass(frozen=True)
class TensorParity:
    """One output over all calls: the least SQNR in dB and cosine, and the largest absolute error."""

    name: str
    sqnr_db: float
    cosine: float
    max_abs_error: float


@dataclass(frozen=True)
class ProgramParity:
    """One program on the inputs that the float model met: its outputs, and how often it was called.

    same_tokens: for the memory encoder, the mean share of the tokens chosen from a frame that the float model chose
    too; None for the other programs, and where no frame was remembered but prompted ones.
    """

    program: str
    calls: int
    tensors: tuple[TensorParity, ...]
    same_tokens: float | None

    @property
    def sqnr_db(self) -> float:
        """The least over all outputs."""
        return min(tensor.sqnr_db for tensor in self.tensors)


@dataclass(frozen=True)
class ChainParity:
    """The clip tracked by the artifact with its own bank: mask IoU with the float model's masks, by frame (the
    mean over objects), and the most tokens and bytes that an object's bank held."""

    iou_by_frame: tuple[float, ...]
    memory_tokens: int
    bank_bytes: int

    @property
    def mean_iou(self) -> float:
        return float(np.mean(self.iou_by_frame))

    @property
    def min_iou(self) -> float:
        return min(self.iou_by_frame)


class ParityCheck:
    """Follows the float model through a clip, frame by frame, with one artifact backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.tracker = Tracker(backend)
        self._tensors: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
        self._same_tokens: list[float] = []
        self._ious: list[float] = []
        self._memory_tokens = 0
        self._bank_bytes = 0

    def replay(self, call: Call) -> None:
        """Runs a recorded call on this backend (teacher-forced) and compares its outputs."""
        actual = self.backend.run(call.program, call.inputs)
        measured = self._tensors.setdefault(call.program, {name: [] for name in call.outputs})
        matched = None
        if call.program == MEMORY_ENCODER:
            matched = match_tokens(call.outputs, actual, self.backend.config)
            if matched.share is not None:
                self._same_tokens.append(matched.share)
        for name, reference in call.outputs.items():
            value = actual[name]
            if matched and name in (TOKENS, TOKENS_XY):
                # A token that rounding swapped for its like is counted in the share; its values say nothing.
                reference, value = reference[:, matched.reference], value[:, matched.actual]
            measured[name].append(
                (sqnr_db(reference, value), cosine(reference, value), max_abs_error(reference, value))
            )

    def follow(
        self, frame: np.ndarray, prompts: Mapping[int, Prompt] | None, reference: TrackedFrame
    ) -> tuple[TrackedFrame, float]:
        """Tracks the next frame with this backend's own banks and compares the masks.

        Returns what was tracked, and the mask IoU with the reference, the mean over objects.
        """
        tracked = self.tracker.track(frame, prompts)
        ious = [mask_iou(reference.objects[i].mask, tracked.objects[i].mask) for i in reference.objects]
        self._ious.append(float(np.mean(ious)))
        banks = self.tracker.banks.values()
        self._memory_tokens = max(self._memory_tokens, *(bank["memory_tokens"].shape[1] for bank in banks))
        self._bank_bytes = max(self._bank_bytes, *(sum(v.nbytes for v in bank.values()) for bank in banks))
        return tracked, self._ious[-1]

    def programs(self) -> tuple[ProgramParity, ...]:
        """What the replayed calls came to."""
        return tuple(
            ProgramParity(
                program,
                len(next(iter(tensors.values()))),
                tuple(
                    TensorParity(name, min(s for s, _, _ in m), min(c for _, c, _ in m), max(e for _, _, e in m))
                    for name, m in tensors.items()
                ),
                float(np.mean(self._same_tokens)) if program == MEMORY_ENCODER and self._same_tokens else None,
            )
            for program, tensors in self._tensors.items()
        )

    def chain(self) -> ChainParity:
        """What the tracked clip came to."""
        return ChainParity(tuple(self._ious), self._memory_tokens, self._bank_bytes)
