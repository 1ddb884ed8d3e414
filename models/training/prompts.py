"""Simulated prompts: what a user could have said of an object whose mask is known."""

import numpy as np
import torch
from PIL import Image

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import (
    BOX_BOTTOM_RIGHT_LABEL,
    BOX_TOP_LEFT_LABEL,
    MAX_POINTS,
    NEGATIVE_LABEL,
    PADDING_LABEL,
    POSITIVE_LABEL,
)
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.training.settings import PromptMix

MOST_CLICKS = 3
BOX_NOISE = 0.1
"""A box's corner is off by this share of its side at most."""


def simulated_prompt(mask: np.ndarray, mix: PromptMix, config: ModelConfig, rng: np.random.Generator) -> FramePrompt:
    """A prompt, without a batch dimension, for the object that a mask bool [S, S] marks; it must mark something."""
    draw = rng.random()
    if draw < mix.mask:
        return _prompt(config, (), mask)
    points = _box(mask, rng) if draw < mix.mask + mix.box else _clicks(mask, rng)
    return _prompt(config, points, None)


def no_prompt(config: ModelConfig, batch: int) -> FramePrompt:
    """What the mask decoder is told of a frame about which nothing is said, for a batch."""
    return FramePrompt(*(tensor.expand(batch, *tensor.shape) for tensor in _prompt(config, (), None)))


def _prompt(
    config: ModelConfig, points: tuple[tuple[float, float, float], ...], mask: np.ndarray | None
) -> FramePrompt:
    coords = torch.zeros(MAX_POINTS, 2)
    labels = torch.full((MAX_POINTS,), float(PADDING_LABEL))
    for i, (x, y, label) in enumerate(points):
        coords[i], labels[i] = torch.tensor([x, y]), label
    side = config.mask_size
    share = torch.zeros(1, side, side)
    if mask is not None:
        image = Image.fromarray(mask.astype(np.float32)).resize((side, side), Image.Resampling.BOX)
        share[0] = torch.from_numpy(np.array(image))
    return FramePrompt(coords, labels, share, torch.tensor([float(mask is not None)]))


def _box(mask: np.ndarray, rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    top, bottom, left, right = _bounds(mask)
    height, width = bottom - top, right - left
    noise = rng.uniform(-BOX_NOISE, BOX_NOISE, 4)
    x0, x1 = left + noise[0] * width, right + noise[1] * width
    y0, y1 = top + noise[2] * height, bottom + noise[3] * height
    size = mask.shape[0]
    return (
        (max(x0, 0.0), max(y0, 0.0), BOX_TOP_LEFT_LABEL),
        (min(x1, size), min(y1, size), BOX_BOTTOM_RIGHT_LABEL),
    )


def _clicks(mask: np.ndarray, rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    """The first click lies on the object; each other one too, or beside it and near."""
    inside = np.argwhere(mask)
    top, bottom, left, right = _bounds(mask)
    margin = max(bottom - top, right - left) // 2 + 1
    near = np.zeros_like(mask)
    near[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin] = True
    outside = np.argwhere(near & ~mask)
    points = []
    for number in range(int(rng.integers(1, MOST_CLICKS + 1))):
        positive = number == 0 or not len(outside) or rng.random() < 0.5
        y, x = rng.choice(inside if positive else outside)
        points.append((float(x), float(y), POSITIVE_LABEL if positive else NEGATIVE_LABEL))
    return tuple(points)


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is marked, the ends exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
