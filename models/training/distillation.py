"""Learning from a teacher: its features, memories and mask logits on the same clip, from the same prompt."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.training.clips import TrainingClip
from tinysam2.models.training.unroll import UnrolledFrame, unroll


class Teacher:
    """A trained model that a student of `student_dim` features is held to; it is not trained itself.

    Where the two have other widths, a 1x1 convolution, trained beside the student, maps the student's features.
    """

    def __init__(self, model: TinySAM2, student_dim: int) -> None:
        self.model = model.eval().requires_grad_(False)
        teacher_dim = model.config.hidden_dim
        self.projection = nn.Identity() if teacher_dim == student_dim else _seeded_projection(student_dim, teacher_dim)

    def to(self, device: torch.device) -> "Teacher":
        """The same teacher, on a device."""
        self.model.to(device)
        self.projection.to(device)
        return self

    def trained_parameters(self) -> Iterator[nn.Parameter]:
        """What is trained beside the student."""
        return self.projection.parameters()

    def trained_state(self) -> dict[str, Tensor]:
        """The state of what is trained beside the student."""
        return self.projection.state_dict()

    def load_trained_state(self, state: dict[str, Any]) -> None:
        """Takes it up again."""
        self.projection.load_state_dict(state)

    def terms(self, clips: TrainingClip, frames: Sequence[UnrolledFrame]) -> dict[str, Tensor]:
        """The loss terms `features` and `memories` (squared error over the teacher's variance) and `logits`
        (cross-entropy with the teacher's probabilities), each a mean over clips and frames; frames: the student's.

        Memories are compared where both have the same width.
        """
        with torch.no_grad():
            taught = list(unroll(self.model, self._resized(clips)))
        features = [
            _feature_error(self.projection(s.features), t.features) for s, t in zip(frames, taught, strict=True)
        ]
        # The first frame's mask may be the prompt itself, which teaches nothing.
        logits = [_logit_error(s.candidates.masks, t.mask_logits) for s, t in zip(frames[1:], taught[1:], strict=True)]
        terms = {"features": torch.stack(features).mean(), "logits": torch.stack(logits).mean()}
        memories = [
            (s.memory, t.memory)
            for s, t in zip(frames[:-1], taught[:-1], strict=True)
            if s.memory is not None and t.memory is not None
        ]
        if memories[0][1].shape[1] == memories[0][0].shape[1]:
            terms["memories"] = torch.stack([_feature_error(ours, theirs) for ours, theirs in memories]).mean()
        return terms

    def _resized(self, clips: TrainingClip) -> TrainingClip:
        size = self.model.config.image_size
        if clips.images.shape[-1] == size:
            return clips
        scale = size / clips.images.shape[-1]
        images = F.interpolate(clips.images.flatten(0, 1).float(), (size, size), mode="bilinear", antialias=True)
        coords, labels, mask, has_mask = clips.prompt
        side = self.model.config.mask_size
        mask = F.interpolate(mask, (side, side), mode="bilinear", antialias=True)
        prompt = FramePrompt((coords + 0.5) * scale - 0.5, labels, mask, has_mask)
        memory_noise = F.interpolate(clips.memory_noise.flatten(0, 1), (side, side)).unflatten(
            0, clips.memory_noise.shape[:2]
        )
        return TrainingClip(images.unflatten(0, clips.images.shape[:2]), clips.targets, prompt, memory_noise)


def _seeded_projection(student_dim: int, teacher_dim: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Conv2d(student_dim, teacher_dim, 1)


def _feature_error(student: Tensor, teacher: Tensor) -> Tensor:
    student = F.interpolate(student, teacher.shape[-2:], mode="bilinear", align_corners=False)
    return F.mse_loss(student, teacher) / teacher.var().clamp(min=1e-6)


def _logit_error(student: Tensor, teacher: Tensor) -> Tensor:
    teacher = F.interpolate(teacher, student.shape[-2:], mode="bilinear", align_corners=False)
    wanted = torch.sigmoid(teacher).expand_as(student)
    return F.binary_cross_entropy_with_logits(student, wanted)
