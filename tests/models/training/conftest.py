"""Small moving videos to train on, and settings of a run of a few steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.training.held_out import HeldOut
from tinysam2.models.training.settings import UNALTERED, PromptMix, Stage, TrainingSettings


@dataclass(frozen=True, eq=False)
class ArrayVideo(AnnotatedSequence):
    """A video in memory: frames uint8 [T, H, W, 3], masks uint8 [T, H, W], of which those at `unannotated` are not
    told."""

    name: str
    frames: np.ndarray
    masks: np.ndarray
    objects: Mapping[int, int] = field(default_factory=lambda: {1: 0})
    unannotated: frozenset[int] = frozenset()

    @property
    def frame_names(self) -> tuple[str, ...]:
        return tuple(f"{index:05}" for index in range(len(self.frames)))

    def frame(self, index: int) -> np.ndarray:
        return self.frames[index]

    def ids(self, index: int) -> np.ndarray | None:
        return None if index in self.unannotated else self.masks[index]


def a_moving_video(
    seed: int = 0, frames: int = 8, size: tuple[int, int] = (64, 64), radius: float = 0.22, **more
) -> ArrayVideo:
    """A textured disc that crosses a textured ground; size: width and height; radius: of the longer side."""
    rng = np.random.default_rng(seed)
    width, height = size
    ground, texture = _texture(rng, size, (40, 70, 120)), _texture(rng, size, (210, 150, 60))
    start, end = rng.uniform(0.3, 0.45, 2), rng.uniform(0.55, 0.7, 2)
    y, x = np.mgrid[:height, :width] + 0.5
    pictures, masks = [], []
    for t in np.linspace(0, 1, frames):
        centre = (start + t * (end - start)) * (width, height)
        mask = np.hypot(x - centre[0], y - centre[1]) < radius * max(size)
        shift = (int(centre[1]), int(centre[0]))
        pictures.append(np.where(mask[..., None], np.roll(texture, shift, (0, 1)), ground))
        masks.append(mask)
    return ArrayVideo(f"disc{seed}", np.stack(pictures), np.stack(masks).astype(np.uint8), **more)


def _texture(rng: np.random.Generator, size: tuple[int, int], colour: tuple[int, int, int]) -> np.ndarray:
    coarse = rng.normal(0, 25, (8, 8, 3)) + colour
    coarse = Image.fromarray(coarse.clip(0, 255).astype(np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))


def a_short_run(steps: int = 4, frames: int = 3, clips: int = 4, real: float = 1.0, **more) -> TrainingSettings:
    """Settings of a run without augmentation, of batches of `clips` clips, all of one kind."""
    chosen = {
        "augmentation": UNALTERED,
        "curriculum": (Stage(1.0, frames, real),),
        "batch_frames": clips * frames,
        "warmup": 0,
        "checkpoint_every": steps,
        "validate_every": steps,
        "prompts": PromptMix(mask=0.5, box=0.25),
    }
    return TrainingSettings(steps, **chosen | more)


@pytest.fixture(scope="session")
def moving_video():
    """Makes an `ArrayVideo`; see `a_moving_video`."""
    return a_moving_video


@pytest.fixture(scope="session")
def short_run():
    """Makes `TrainingSettings`; see `a_short_run`."""
    return a_short_run


@pytest.fixture(scope="session")
def judge():
    """Makes a `HeldOut` of videos, tracked in PyTorch."""
    return lambda *videos: HeldOut(videos, lambda model: Tracker(TorchBackend(model)))
