"""Random prompts for training: a mask, a box that is a little off, or clicks anywhere on an object or near it.

`tinysam2.data.simulated_prompts` has those of an evaluation, which are the best that a user would give.
"""

import numpy as np
import torch

from tinysam2.data.preprocessing import Preprocessor
from tinysam2.data.prompts import Box, Point, Prompt
from tinysam2.data.simulated_prompts import box_of_mask
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.training.settings import PromptMix

MOST_CLICKS = 3
BOX_NOISE = 0.1
"""A box's corner is off by this share of its side at most."""


def random_prompt(mask: np.ndarray, mix: PromptMix, mask_size: int, rng: np.random.Generator) -> FramePrompt:
    """A prompt, without a batch dimension, for the object that a mask bool [S, S] marks; it must mark something.

    mask_size: side of the mask logits.
    """
    draw = rng.random()
    if draw < mix.mask:
        prompt = Prompt(mask=mask)
    elif draw < mix.mask + mix.box:
        prompt = Prompt(box=_noisy_box(mask, rng))
    else:
        prompt = Prompt(points=_clicks(mask, rng))
    return FramePrompt(*(tensor[0] for tensor in _tensors(prompt, len(mask), mask_size)))


def no_prompt(mask_size: int, batch: int) -> FramePrompt:
    """What the mask decoder is given on a frame without a prompt, for a batch."""
    return FramePrompt(*(tensor.expand(batch, *tensor.shape[1:]) for tensor in _tensors(None, 1, mask_size)))


def _tensors(prompt: Prompt | None, image_size: int, mask_size: int) -> FramePrompt:
    """A prompt on the square that the model sees, as a batch of one."""
    tensors = Preprocessor(image_size, mask_size).prompt_tensors(prompt, (image_size, image_size))
    return FramePrompt(*(torch.from_numpy(tensors[name]) for name in FramePrompt._fields))


def _noisy_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    box, size = box_of_mask(mask), mask.shape[0]
    height, width = box.y1 - box.y0, box.x1 - box.x0
    noise = rng.uniform(-BOX_NOISE, BOX_NOISE, 4)
    x0, x1 = box.x0 + noise[0] * width, box.x1 + noise[1] * width
    y0, y1 = box.y0 + noise[2] * height, box.y1 + noise[3] * height
    return Box(max(x0, 0.0), max(y0, 0.0), min(x1, size), min(y1, size))


def _clicks(mask: np.ndarray, rng: np.random.Generator) -> tuple[Point, ...]:
    """The first click lies on the object; each other one too, or beside it and near."""
    inside = np.argwhere(mask)
    box = box_of_mask(mask)
    margin = max(box.y1 - box.y0, box.x1 - box.x0) // 2 + 1
    near = np.zeros_like(mask)
    near[max(box.y0 - margin, 0) : box.y1 + margin, max(box.x0 - margin, 0) : box.x1 + margin] = True
    outside = np.argwhere(near & ~mask)
    points = []
    for number in range(int(rng.integers(1, MOST_CLICKS + 1))):
        positive = number == 0 or not len(outside) or rng.random() < 0.5
        y, x = rng.choice(inside if positive else outside)
        points.append(Point(float(x), float(y), positive))
    return tuple(points)
