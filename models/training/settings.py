"""What a training run is: one frozen dataclass a concern, checked when it is made, and stored with the run."""

import math
from dataclasses import dataclass, field

from tinysam2.core.config import BankConfig
from tinysam2.core.errors import require_field


def _check_shares(owner: object, *names: str) -> None:
    for name in names:
        require_field(0.0 <= getattr(owner, name) <= 1.0, owner, name, "a share, 0 to 1")


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: `share` of the steps are on clips of `frames` frames, of which the share `real`
    are moving video and the others are made from single images."""

    share: float
    frames: int
    real: float

    def __post_init__(self) -> None:
        _check_shares(self, "share", "real")
        require_field(self.frames >= 2, self, "frames", "at least 2: a prompted frame and one to track")


CURRICULUM = (Stage(0.3, 3, 0.4), Stage(0.5, 4, 0.6), Stage(0.2, 6, 0.8))
"""Short clips and many warped images first, longer real ones last."""


@dataclass(frozen=True)
class Augmentation:
    """Shares of the clips that are altered in each way; see `tinysam2.models.training.synthesis` for how far.

    bend: of what is set in motion, that bends. blob: of what is cut out and pasted, that is a random shape of a
    picture in the place of an object. memory_noise: whose memory is made wrong in a place; see
    `tinysam2.models.training.memory_noise`. resize: whose frames are resized by another filter than the frame
    contract's, as an app may do; see `tinysam2.data.other_filters.OTHER_FILTERS`.
    """

    warp: float = 0.9
    colour: float = 0.9
    paste: float = 0.6
    occluder: float = 0.35
    distractor: float = 0.25
    grey: float = 0.05
    bend: float = 0.6
    blob: float = 0.3
    memory_noise: float = 0.35
    resize: float = 0.5

    def __post_init__(self) -> None:
        _check_shares(self, *self.__dataclass_fields__)


UNALTERED = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))
"""Clips as they are."""


@dataclass(frozen=True)
class PromptMix:
    """Shares of the clips whose first frame is prompted by its mask or by a box; the others have 1 to 3 clicks."""

    mask: float = 0.8
    box: float = 0.08

    def __post_init__(self) -> None:
        _check_shares(self, "mask", "box")
        require_field(self.mask + self.box <= 1.0, self, "mask", "at most 1 together with box")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms. Source: SAM 2's training configuration; all_masks is this project's.

    all_masks: how much the mean over an ambiguous prompt's three masks counts beside the best of them. SAM 2
    trains the best alone; with little data, that leaves two thirds of the masks untrained on each frame.
    focal_alpha: share of the object's pixels in the focal loss, the ground's have the rest. SAM 2 has 0.25; here a
    part that is left out is soon forgotten, while dice already holds back what is too much.
    features, memories, logits: of distillation, where there is a teacher.
    """

    focal: float = 20.0
    focal_alpha: float = 0.6
    dice: float = 1.0
    iou: float = 1.0
    object_score: float = 1.0
    all_masks: float = 0.3
    features: float = 1.0
    memories: float = 1.0
    logits: float = 5.0

    def __post_init__(self) -> None:
        for name in ("focal", "dice", "iou", "object_score", "features", "memories", "logits"):
            require_field(0.0 <= getattr(self, name) < math.inf, self, name, "at least 0, and finite")
        _check_shares(self, "all_masks", "focal_alpha")


@dataclass(frozen=True)
class TrainingSettings:
    """A run from the first step to the last.

    steps: optimiser steps. batch_frames: frames in a step; a stage's clips are that many divided by its frames.
    parts: equal shares of a batch, worked on one after the other or by as many processes; BatchNorm sees one part
    at a time, so that the number of processes changes nothing. learning_rate: the peak, after `warmup` steps, from
    which a cosine falls to `final_rate` of it. ema: decay of the averaged weights, which are the result.
    mixed_precision: the image encoder in bfloat16; the recurrent part stays in fp32 because its errors are fed
    back. banks: memory banks of which each step draws one; none: the model's own. checkpoint_every,
    validate_every: in steps.
    """

    steps: int = 6000
    batch_frames: int = 24
    parts: int = 2
    seed: int = 0
    learning_rate: float = 8e-4
    final_rate: float = 0.01
    warmup: int = 200
    weight_decay: float = 0.05
    gradient_norm: float = 1.0
    ema: float = 0.999
    mixed_precision: bool = False
    curriculum: tuple[Stage, ...] = CURRICULUM
    augmentation: Augmentation = field(default_factory=Augmentation)
    prompts: PromptMix = field(default_factory=PromptMix)
    losses: LossWeights = field(default_factory=LossWeights)
    banks: tuple[BankConfig, ...] = ()
    checkpoint_every: int = 200
    validate_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "batch_frames", "parts", "checkpoint_every", "validate_every"):
            require_field(getattr(self, name) >= 1, self, name, "at least 1")
        for name in ("seed", "warmup"):
            require_field(getattr(self, name) >= 0, self, name, "at least 0")
        for name in ("learning_rate", "gradient_norm"):
            require_field(0.0 < getattr(self, name) < math.inf, self, name, "above 0, and finite")
        require_field(0.0 <= self.weight_decay < math.inf, self, "weight_decay", "at least 0, and finite")
        require_field(0.0 <= self.ema < 1.0, self, "ema", "in [0, 1)")
        _check_shares(self, "final_rate")
        total = sum(stage.share for stage in self.curriculum)
        require_field(abs(total - 1.0) < 1e-6, self, "curriculum", "stages whose shares come to 1")
        for stage in self.curriculum:
            clips = self.batch_frames // stage.frames
            wanted = f"enough for clips of {stage.frames} frames, {self.parts} parts of equally many"
            require_field(clips > 0 and clips % self.parts == 0, self, "batch_frames", wanted)

    def stage(self, step: int) -> Stage:
        """The stage that a step, counted from 0, belongs to."""
        passed = 0.0
        for stage in self.curriculum:
            passed += stage.share
            if step < round(passed * self.steps):
                return stage
        return self.curriculum[-1]

    def clips(self, step: int) -> int:
        """Clips in a step's batch."""
        return self.batch_frames // self.stage(step).frames

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * done)) / 2)
