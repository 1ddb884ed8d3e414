"""Losses of a clip: focal, dice, predicted IoU and object score. Source: SAM 2 `MultiStepMultiMasksAndIous`."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from tinysam2.models.network.mask_decoder import MaskCandidates
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.training.clips import TARGET_SCALE
from tinysam2.models.training.settings import LossWeights

FOCAL_GAMMA = 2.0


@dataclass
class ClipLoss:
    """The terms of a batch before they are weighted, each a mean over clips and frames; and J, the mean IoU of the
    chosen masks on the frames to be tracked."""

    focal: Tensor
    dice: Tensor
    iou: Tensor
    object_score: Tensor
    j: Tensor
    features: Tensor | float = 0.0
    memories: Tensor | float = 0.0
    logits: Tensor | float = 0.0

    def total(self, weights: LossWeights) -> Tensor:
        """The weighted sum that is minimised."""
        return (
            weights.focal * self.focal
            + weights.dice * self.dice
            + weights.iou * self.iou
            + weights.object_score * self.object_score
            + weights.features * self.features
            + weights.memories * self.memories
            + weights.logits * self.logits
        )

    def figures(self) -> dict[str, float]:
        """The terms as numbers."""
        return {field.name: float(torch.as_tensor(getattr(self, field.name)).detach()) for field in fields(self)}


def frame_terms(
    candidates: MaskCandidates, target: Tensor, prompt: FramePrompt, weights: LossWeights
) -> dict[str, Tensor]:
    """One frame's terms, each [B]: candidates against target [B, 1, h, w] in 0..1, h a multiple of their side.

    With at most one point the best of three masks counts, else the single one. A mask that is prompted is the
    answer itself, and such a frame counts nothing. Masks of absent objects are not judged, their score is.
    """
    masks, ious, _, score = candidates
    logits = F.interpolate(masks, scale_factor=float(TARGET_SCALE), mode="bilinear", align_corners=False)
    target = target.expand_as(logits)
    focal, dice = _focal(logits, target, weights.focal_alpha), _dice(logits, target)
    error = (ious - _iou(logits, target)).abs()

    cost = weights.focal * focal.detach() + weights.dice * dice.detach()
    best = F.one_hot(cost[:, 1:].argmin(1), cost.shape[1] - 1).to(cost.dtype)
    share = weights.all_masks
    three = F.pad((1 - share) * best + share / best.shape[1], (1, 0))
    single = F.one_hot(torch.zeros_like(best[:, 0], dtype=torch.long), cost.shape[1]).to(cost.dtype)
    ambiguous = ((prompt.point_labels >= 0).sum(1, keepdim=True) <= 1).to(cost.dtype)
    chosen = ambiguous * three + (1 - ambiguous) * single
    judged = ambiguous * F.pad(torch.ones_like(best) / best.shape[1], (1, 0)) + (1 - ambiguous) * single

    present = (target[:, 0].amax((1, 2)) > 0.5).to(cost.dtype)
    asked = 1 - prompt.has_mask[:, 0]
    seen = F.binary_cross_entropy_with_logits(score[:, 0], present, reduction="none")
    return {
        "focal": (focal * chosen).sum(1) * present * asked,
        "dice": (dice * chosen).sum(1) * present * asked,
        "iou": (error * judged).sum(1) * present * asked,
        "object_score": seen * asked,
    }


def hard_iou(mask_logits: Tensor, target: Tensor) -> Tensor:
    """IoU [B] of chosen masks [B, 1, n, n] and targets [B, 1, h, h]; two empty masks agree.

    `tinysam2.scoring.metrics.mask_iou` for a batch on the training device: the IoU head's target is made of it, on
    every step.
    """
    logits = F.interpolate(mask_logits, target.shape[-2:], mode="bilinear", align_corners=False)
    return _iou(logits, target)[:, 0]


def mean_terms(frames: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each term over frames and clips."""
    frames = list(frames)
    return {name: torch.stack([frame[name] for frame in frames]).mean() for name in frames[0]}


def _focal(logits: Tensor, target: Tensor, alpha: float) -> Tensor:
    probability = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    agreement = probability * target + (1 - probability) * (1 - target)
    share = alpha * target + (1 - alpha) * (1 - target)
    return (share * (1 - agreement) ** FOCAL_GAMMA * entropy).mean((2, 3))


def _dice(logits: Tensor, target: Tensor) -> Tensor:
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * target).sum((2, 3))
    return 1 - (overlap + 1) / (probability.sum((2, 3)) + target.sum((2, 3)) + 1)


def _iou(logits: Tensor, target: Tensor) -> Tensor:
    inside, wanted = logits > 0, target > 0.5
    union = (inside | wanted).sum((2, 3))
    overlap = (inside & wanted).sum((2, 3))
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0)
