"""Training clips: real video or single images set in motion, with the prompt of their first frame."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from tinysam2.core.config import ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.data.other_filters import CONTRACT, OTHER_FILTERS
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.training import synthesis
from tinysam2.models.training.footage import Footage
from tinysam2.models.training.memory_noise import random_memory_noise
from tinysam2.models.training.prompts import random_prompt
from tinysam2.models.training.settings import Stage, TrainingSettings

TARGET_SCALE = 2
"""Side of the masks that losses look at over the side of the mask logits: boundaries lie between their cells."""

LEAST_AREA = 0.0015
"""Share of the first frame that an object covers at least, or another clip is drawn."""

ATTEMPTS = 20
STRIDES = (1, 1, 2, 3)
STILL = synthesis.Motion(0.0, 0.0, 0.0, 0.0)


class TrainingClip(NamedTuple):
    """One clip, or a batch of B with a leading dimension: images uint8 [T, 3, S, S], targets float32 [T, 1, h, h]
    in 0..1 with h twice the side of the mask logits, the first frame's prompt, and what the memories get wrong
    [T, 1, h/2, h/2] (see `tinysam2.models.training.memory_noise`)."""

    images: Tensor
    targets: Tensor
    prompt: FramePrompt
    memory_noise: Tensor


@dataclass(frozen=True)
class _Scene:
    """Pictures [T, 3, n, n] and the object's mask [T, 1, n, n] before anything is added."""

    picture: Tensor
    mask: Tensor


class ClipSampler(Dataset):
    """The clips of a run, by number: the clips of a step are the same whenever and wherever they are asked for.

    rank, processes: this process's share of every batch. An item is the list of this process's parts of a step's
    batch, each a whole batch of its own.
    Raises InputError where a batch's parts cannot be shared evenly, or a video has no object.
    """

    def __init__(
        self, footage: Footage, settings: TrainingSettings, config: ModelConfig, rank: int = 0, processes: int = 1
    ) -> None:
        if settings.parts % processes:
            raise InputError(
                f"{processes} processes cannot share the {settings.parts} parts of a batch evenly; "
                "let the parts be a multiple of the processes"
            )
        self.footage, self.settings, self.config = footage, settings, config
        self.rank, self.processes = rank, processes
        self._first_frames = [_first_frames(video) for video in footage.videos]

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> list[TrainingClip]:
        """This process's parts of a step's batch."""
        return [self.part(step, number) for number in range(self.rank, self.settings.parts, self.processes)]

    def part(self, step: int, number: int) -> TrainingClip:
        """One part of a step's batch."""
        settings, stage = self.settings, self.settings.stage(step)
        numbers = range(number, settings.clips(step), settings.parts)
        clips = [self.clip(stage, np.random.default_rng((settings.seed, step, number))) for number in numbers]
        return TrainingClip(
            torch.stack([clip.images for clip in clips]),
            torch.stack([clip.targets for clip in clips]),
            FramePrompt(*(torch.stack(tensors) for tensors in zip(*(clip.prompt for clip in clips), strict=True))),
            torch.stack([clip.memory_noise for clip in clips]),
        )

    def clip(self, stage: Stage, rng: np.random.Generator) -> TrainingClip:
        """A clip of a stage, with its object on the first frame."""
        how = self._filter(rng)
        for _ in range(ATTEMPTS):
            picture, mask = self._draw(stage, how, rng)
            mask = (mask > 0.5).float()
            if mask[0].mean() >= LEAST_AREA:
                break
        else:
            raise InputError(
                f"no object covered {LEAST_AREA:.2%} of a first frame in {ATTEMPTS} draws; "
                "the sequences' objects are too small or too seldom there"
            )
        side = TARGET_SCALE * self.config.mask_size
        targets = F.adaptive_avg_pool2d(mask, side)
        prompt = random_prompt(mask[0, 0].numpy() > 0.5, self.settings.prompts, self.config.mask_size, rng)
        shares = F.avg_pool2d(targets, TARGET_SCALE)
        noisy = rng.random() < self.settings.augmentation.memory_noise
        memory_noise = random_memory_noise(shares, rng) if noisy else torch.zeros_like(shares)
        return TrainingClip(picture.round().clamp(0, 255).to(torch.uint8), targets, prompt, memory_noise)

    def _filter(self, rng: np.random.Generator) -> str:
        """What a clip's frames are resized by. Drawn aside, so that a clip is otherwise the same at any share."""
        [aside] = rng.spawn(1)
        other = aside.random() < self.settings.augmentation.resize
        return str(aside.choice(OTHER_FILTERS)) if other else CONTRACT

    def _draw(self, stage: Stage, how: str, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        augment = self.settings.augmentation
        real = rng.random() < stage.real
        video, first = self._pick(rng)
        aspect = self.footage.aspect(video)
        scene = self._scene(video, first, stage.frames if real else 1, how, rng)
        side, frames = self.config.image_size, stage.frames
        if not real and rng.random() < augment.paste:
            picture, mask = self._pasted(scene, frames, aspect, how, rng)
        else:
            step = synthesis.STEADY if real else synthesis.MOVING
            warp = rng.random() < augment.warp
            start = synthesis.VIEW if warp else STILL
            # Video moves by itself: half of what is reframed keeps its own motion alone, and the rest stays as it is.
            step = STILL if real and (not warp or rng.random() < 0.5) else step
            warps = synthesis.random_warps(rng, frames, start, step, aspect, flip=warp)
            bend = None if real else self._bend(scene.mask, frames, rng)
            picture, mask = synthesis.warped(scene.picture, scene.mask, warps, side, bend)
        if rng.random() < augment.distractor:
            picture = self._with_cutout(picture, how, rng, mask)[0]
        if rng.random() < augment.occluder:
            picture, cover = self._with_cutout(picture, how, rng, None)
            mask = mask * (1 - cover)
        if rng.random() < augment.colour:
            picture = synthesis.coloured(rng, picture)
        if rng.random() < augment.grey:
            picture = synthesis.greyed(picture)
        return picture, mask

    def _pick(self, rng: np.random.Generator) -> tuple[int, tuple[int, int]]:
        """A video, and the id and a frame of one of its objects."""
        video = int(rng.integers(len(self.footage)))
        places = self._first_frames[video]
        object_id = int(rng.choice(list(places)))
        first = int(rng.integers(places[object_id], len(self.footage.videos[video])))
        # The object's own first frame is annotated, wherever the others are.
        return video, (object_id, self.footage.annotated(video, first, -1))

    def _scene(self, video: int, start: tuple[int, int], frames: int, how: str, rng: np.random.Generator) -> _Scene:
        """Annotated frames of a video from a start on, forward or backward, turning around at its ends."""
        object_id, first = start
        earliest, last = self._first_frames[video][object_id], len(self.footage.videos[video]) - 1
        last = self.footage.annotated(video, last, -1)
        stride = int(rng.choice(STRIDES)) * (1 if rng.random() < 0.5 else -1)
        indices, at = [], first
        for _ in range(frames):
            indices.append(at)
            if not earliest <= at + stride <= last:
                stride = -stride
            at = self.footage.annotated(video, min(max(at + stride, earliest), last), 1 if stride > 0 else -1)
        pictures, masks = [], []
        for index in indices:
            picture, ids = self.footage.picture(video, index, how)
            pictures.append(picture)
            masks.append(ids == object_id)
        return _Scene(_pictures(np.stack(pictures)), torch.from_numpy(np.stack(masks)[:, None]).float())

    def _pasted(
        self, scene: _Scene, frames: int, aspect: float, how: str, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """The object cut out and set in motion over another video's ground, which moves by itself."""
        side = self.config.image_size
        other, (_, first) = self._pick(rng)
        ground = _pictures(self.footage.picture(other, first, how)[0][None])
        back_warps = synthesis.random_warps(rng, frames, synthesis.VIEW, synthesis.MOVING, self.footage.aspect(other))
        back = synthesis.warped(ground, torch.zeros_like(ground[:, :1]), back_warps, side)[0]
        front, alpha = self._moving_cutout(scene.picture, scene.mask, frames, aspect, rng)
        return synthesis.over(front, alpha, back), alpha

    def _with_cutout(
        self, picture: Tensor, how: str, rng: np.random.Generator, behind: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Another object moving through the picture, behind what a mask marks or in front of all of it."""
        video, (object_id, first) = self._pick(rng)
        shown, ids = self.footage.picture(video, first, how)
        mask = torch.from_numpy(ids == object_id)[None, None].float()
        aspect = self.footage.aspect(video)
        front, alpha = self._moving_cutout(_pictures(shown[None]), mask, picture.shape[0], aspect, rng)
        alpha = alpha if behind is None else alpha * (1 - behind)
        return synthesis.over(front, alpha, picture), alpha

    def _moving_cutout(
        self, picture: Tensor, mask: Tensor, frames: int, aspect: float, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """What a mask cuts out of a picture, or a random shape of it, set in motion: pictures and how they cover."""
        side = self.config.image_size
        if rng.random() < self.settings.augmentation.blob:
            mask = synthesis.random_blob(rng, mask.shape[-1])
        if not mask.any():
            return torch.zeros(frames, 3, side, side), torch.zeros(frames, 1, side, side)
        warps = synthesis.placed(mask, rng, frames, synthesis.MOVING, aspect)
        return synthesis.warped(picture, mask, warps, side, self._bend(mask, frames, rng))

    def _bend(self, mask: Tensor, frames: int, rng: np.random.Generator) -> synthesis.Bend | None:
        if not mask.any() or rng.random() >= self.settings.augmentation.bend:
            return None
        return synthesis.random_bend(rng, frames, *synthesis.bounds(mask))


def _first_frames(video: AnnotatedSequence) -> dict[int, int]:
    """Object id -> its first frame, for the objects that training can start from."""
    places = {object_id: first for object_id, first in video.objects.items() if first < len(video)}
    if not places:
        raise InputError(f"sequence {video.name} has no object to train on; its masks must mark at least one")
    return places


def _pictures(frames: np.ndarray) -> Tensor:
    """uint8 [T, n, n, 3] -> float32 [T, 3, n, n]."""
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).float()
