"""Parity: an artifact's programs on recorded inputs, and the clips that it tracks, against the float model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from tinysam2.core.contract import MASK_DECODER, MEMORY_ENCODER, QUALITY_LEVELS
from tinysam2.data.prompts import Prompt
from tinysam2.data.tracked import TrackedFrame, TrackedObject
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.scoring.metrics import cosine, mask_iou, max_abs_error, sqnr_db
from tinysam2.scoring.scores import RunningScore
from tinysam2.validation.parity.bank_match import BankMatch, match_banks
from tinysam2.validation.parity.raw_memory import RawMemoryBackend
from tinysam2.validation.parity.recording import Call, Tensors
from tinysam2.validation.parity.scenes import Scene

SCORE_NEAR_TIE = 0.01
"""Where the object's score is within this logit of 0, the float model could answer either way, and a runtime may say
the opposite: ten times what fp16 moves it by. There neither mask nor pointer of the two can be compared."""

HALF_WAY = 0.02
"""Levels off half-way between two, either side, within which a quality may be rounded to either of them: fp16's own
rounding of the inputs and of their product comes to 0.016 at 16 levels."""

RAW_FRAMES = 2
"""Frames that are tracked on raw memory, too: the first, whose mask may be its prompt, and one that follows."""

UNITS = {"object_score": 1.0}
"""Outputs of one number that may be near 0 without being small, and their unit; a logit's is 1."""

Score = Mapping[str, float]
"""J, F and their mean JF of a clip, 0 to 1: means over its objects."""


@dataclass(frozen=True)
class TensorParity:
    """One output over all calls: the least SQNR in dB and cosine, and the largest absolute error."""

    name: str
    sqnr_db: float
    cosine: float
    max_abs_error: float


@dataclass(frozen=True)
class ProgramParity:
    """One program on the inputs that the float model met, over all clips: its outputs, and how often it was called.

    Of the memory encoder, None for the other programs and where no call tells: same_tokens: the mean share of the
    tokens chosen from a frame that the float model chose too. same_slots: the share of calls after which every age of
    a slot and a pointer is the float model's. same_levels: the share of the qualities written that are; one half-way
    between two levels and rounded the other way is not counted.

    near_ties: the mask decoder's calls in which the float model could as well have answered otherwise, and the artifact
    did: whether the object is there (masks and pointers were not compared), or which candidate is the best (the
    artifact was compared with the other one).
    """

    program: str
    calls: int
    tensors: tuple[TensorParity, ...]
    same_tokens: float | None
    same_slots: float | None = None
    same_levels: float | None = None
    near_ties: int = 0

    @property
    def sqnr_db(self) -> float:
        """The least over all outputs."""
        return min(tensor.sqnr_db for tensor in self.tensors)


@dataclass(frozen=True)
class ClipParity:
    """One clip tracked by the artifact with its own bank.

    iou_by_frame: mask IoU with the float model's masks, by frame, the mean over objects. sqnr_by_state: the least SQNR
    in dB of the memory encoder's calls in each state of the bank that the clip met (`bank_states`). score, float_score:
    of the artifact's and of the float model's masks; None where the truth is not known. raw_iou: the least mask IoU of
    the first frames with the same frames where each program is given the raw memory of the outputs before it; None
    where they were not tracked so.
    """

    clip: str
    iou_by_frame: tuple[float, ...]
    sqnr_by_state: Mapping[str, float] = field(default_factory=dict)
    score: Score | None = None
    float_score: Score | None = None
    raw_iou: float | None = None

    @property
    def mean_iou(self) -> float:
        return float(np.mean(self.iou_by_frame))

    @property
    def min_iou(self) -> float:
        return min(self.iou_by_frame)

    @property
    def points_lost(self) -> float | None:
        """How far the artifact's J&F lies below the float model's, in points of 100; negative where it lies above."""
        if self.score is None or self.float_score is None:
            return None
        return 100 * (self.float_score["JF"] - self.score["JF"])


@dataclass(frozen=True)
class ChainParity:
    """All clips, and the most tokens and bytes that an object's bank held."""

    clips: tuple[ClipParity, ...]
    memory_tokens: int
    bank_bytes: int

    @property
    def mean_iou(self) -> float:
        """The mean over clips."""
        return float(np.mean([clip.mean_iou for clip in self.clips]))

    @property
    def min_iou(self) -> float:
        """The least of any frame."""
        return min(clip.min_iou for clip in self.clips)

    @property
    def raw_iou(self) -> float | None:
        """The least of any clip that was tracked on raw memory."""
        return min((clip.raw_iou for clip in self.clips if clip.raw_iou is not None), default=None)

    @property
    def sqnr_by_state(self) -> dict[str, float]:
        """The least of any clip."""
        least: dict[str, float] = {}
        for clip in self.clips:
            for state, value in clip.sqnr_by_state.items():
                least[state] = min(value, least.get(state, value))
        return least

    @property
    def score(self) -> dict[str, float] | None:
        """The artifact's means over the clips whose truth is known."""
        return mean_score([clip.score for clip in self.clips])

    @property
    def float_score(self) -> dict[str, float] | None:
        """The float model's."""
        return mean_score([clip.float_score for clip in self.clips])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def mean_score(scores: list[Score | None]) -> dict[str, float] | None:
    """The mean of each figure over the clips that have it; None where none has."""
    known = [score for score in scores if score is not None]
    return {name: float(np.mean([score[name] for score in known])) for name in known[0]} if known else None


def _is_near_tie(expected: float, found: float) -> bool:
    """Whether two logits of an object being in the frame differ in nothing but a choice that could go either way."""
    return abs(expected) < SCORE_NEAR_TIE and (expected > 0) != (found > 0)


def _half_way(inputs: Mapping[str, np.ndarray]) -> bool:
    """Whether the quality of a memory encoder's inputs lies between two levels, as near to one as to the other."""
    iou, score = (inputs[name].item() for name in ("iou", "object_score"))
    return abs(QUALITY_LEVELS * iou / (1 + np.exp(-score)) % 1 - 0.5) < HALF_WAY


def _iou(expected: TrackedObject, found: TrackedObject, near: Sequence[TrackedObject] = ()) -> float:
    """Mask IoU with the answer, or with one that was nearly given; 1 where the object's score is a near tie and the two
    answer differently whether there is an object."""
    if _is_near_tie(expected.object_score, found.object_score):
        return 1.0
    return max(mask_iou(answer.mask, found.mask) for answer in (expected, *near))


def _mean_iou(
    reference: TrackedFrame,
    found: TrackedFrame,
    near: Mapping[int, Sequence[TrackedObject]] = MappingProxyType({}),
) -> float:
    """The mean over objects."""
    return float(np.mean([_iou(reference.objects[i], found.objects[i], near.get(i, ())) for i in reference.objects]))


def _sqnr_db(name: str, reference: Tensors, actual: Tensors) -> float:
    return sqnr_db(reference[name], actual[name], UNITS.get(name, 0.0))


class ParityCheck:
    """Follows the float model through clips, frame by frame, with one artifact backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._tensors: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
        self._near_ties = 0
        self._banks: list[BankMatch] = []
        self._clips: list[ClipParity] = []
        self._memory_tokens = 0
        self._bank_bytes = 0

    def begin(self, scene: Scene) -> None:
        """What follows is another clip: nothing is remembered of the last one."""
        self.tracker = Tracker(self.backend)
        self._raw_tracker = Tracker(RawMemoryBackend(self.backend))
        self._raw_ious: list[float] = []
        self._scene = scene
        self._score = RunningScore(scene.objects)
        self._ious: list[float] = []
        self._by_state: dict[str, float] = {}

    def replay(self, call: Call, states: tuple[str, ...] = ()) -> None:
        """Runs a recorded call on this backend (teacher-forced) and compares its outputs.

        states: of the bank that a call of the memory encoder met, as `bank_states.states_of` tells them.
        """
        reference = call.outputs
        actual: Mapping[str, np.ndarray] = self.backend.run(call.program, call.inputs)
        if call.program == MEMORY_ENCODER:
            matched = match_banks(reference, actual, self.backend.config)
            if matched.same_levels is False and _half_way(call.inputs):
                matched = replace(matched, same_levels=None)
            self._banks.append(matched)
            reference, actual = matched.reference, matched.actual
        elif call.program == MASK_DECODER and _is_near_tie(*(o["object_score"].item() for o in (reference, actual))):
            actual = {**reference, **{name: actual[name] for name in ("iou", "object_score")}}
            self._near_ties += 1
        elif call.near:
            reference = max(
                (reference, *call.near), key=lambda answer: min(_sqnr_db(name, answer, actual) for name in answer)
            )
            self._near_ties += reference is not call.outputs
        measured = self._tensors.setdefault(call.program, {name: [] for name in call.outputs})
        for name, by_call in measured.items():
            pair = reference[name], actual[name]
            by_call.append((_sqnr_db(name, reference, actual), cosine(*pair), max_abs_error(*pair)))
        least = min(by_call[-1][0] for by_call in measured.values())
        for state in states:
            self._by_state[state] = min(least, self._by_state.get(state, least))

    def follow(
        self,
        frame: np.ndarray,
        prompts: Mapping[int, Prompt] | None,
        reference: TrackedFrame,
        truth: np.ndarray | None = None,
        near: Mapping[int, Sequence[TrackedObject]] = MappingProxyType({}),
    ) -> tuple[TrackedFrame, float]:
        """Tracks the next frame with this backend's own banks and compares the masks.

        truth: the frame's ids [H, W], where they are known. near: by object id, other answers that the reference
        almost gave. Returns what was tracked, and the mask IoU with the reference, the mean over objects.
        """
        tracked = self.tracker.track(frame, prompts)
        if len(self._ious) < RAW_FRAMES:
            raw = self._raw_tracker.track(frame, prompts)
            self._raw_ious.append(_mean_iou(tracked, raw))
        self._ious.append(_mean_iou(reference, tracked, near))
        self._score.add(truth, tracked.ids)
        banks = self.tracker.banks.values()
        self._memory_tokens = max(self._memory_tokens, *(bank["memory_tokens"].shape[1] for bank in banks))
        self._bank_bytes = max(self._bank_bytes, *(sum(v.nbytes for v in bank.values()) for bank in banks))
        return tracked, self._ious[-1]

    def finish(self, float_score: Score | None = None) -> None:
        """The clip is over. float_score: of the float model's masks, where the truth is known."""
        self._clips.append(
            ClipParity(
                self._scene.name,
                tuple(self._ious),
                self._by_state,
                self._score.figures(),
                float_score,
                min(self._raw_ious),
            )
        )

    def programs(self) -> tuple[ProgramParity, ...]:
        """What the replayed calls of all clips came to."""
        return tuple(
            ProgramParity(
                program,
                len(next(iter(tensors.values()))),
                tuple(
                    TensorParity(name, min(s for s, _, _ in m), min(c for _, c, _ in m), max(e for _, _, e in m))
                    for name, m in tensors.items()
                ),
                *(self._bank_shares() if program == MEMORY_ENCODER else (None, None, None)),
                near_ties=self._near_ties if program == MASK_DECODER else 0,
            )
            for program, tensors in self._tensors.items()
        )

    def chain(self) -> ChainParity:
        """What the tracked clips came to."""
        return ChainParity(tuple(self._clips), self._memory_tokens, self._bank_bytes)

    def _bank_shares(self) -> tuple[float | None, float | None, float | None]:
        """Of tokens, slots and levels that are the float model's."""
        tokens, slots, levels = (
            [getattr(bank, name) for bank in self._banks if getattr(bank, name) is not None]
            for name in ("same_tokens", "same_slots", "same_levels")
        )
        return _mean(tokens), _mean(slots), _mean(levels)
