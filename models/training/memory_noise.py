"""Mistakes put into the memory of a training clip: what a tracker once lost, it must find again by itself."""

import numpy as np
import torch
from torch import Tensor

from tinysam2.models.training.synthesis import bounds

SLIP_LOGIT = 6.0
"""Mask logit of a place that is remembered wrongly: about as sure as the model is of what it sees well."""

FORGETTING = 0.75
"""Share of noisy memories that lose a part of the object; the others take a part of the ground for the object."""


def random_memory_noise(masks: Tensor, rng: np.random.Generator) -> Tensor:
    """What the memory of each frame gets wrong: masks [T, 1, n, n] in 0..1 to noise [T, 1, n, n].

    -1: a part of the object that is forgotten, 1: a part of the ground that is taken for object, 0: remembered as
    seen. The part is a disc that stays in its place on the object from some frame on; the first frame, which is
    prompted, has none.
    """
    memory_noise = torch.zeros_like(masks)
    forgets, begins = rng.random() < FORGETTING, int(rng.integers(1, len(masks)))
    turn, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.8)
    distance = rng.uniform(0.2, 0.9) if forgets else rng.uniform(0.8, 1.5)
    steps = (torch.arange(masks.shape[-1]) + 0.5) * 2 / masks.shape[-1] - 1
    for t in range(begins, len(masks)):
        if (masks[t] > 0.5).any():
            middle, size = bounds((masks[t : t + 1] > 0.5).float())
            x, y = middle + distance * size * np.array([np.cos(turn), np.sin(turn)])
            disc = (torch.hypot(steps[None] - x, steps[:, None] - y) < radius * size).float()
            memory_noise[t, 0] = -disc if forgets else disc * (1 - masks[t, 0])
    return memory_noise


def with_memory_noise(mask_logits: Tensor, memory_noise: Tensor) -> Tensor:
    """Mask logits [B, 1, n, n] as they are remembered, given noise of the same shape."""
    return mask_logits * (1 - memory_noise.abs()) + SLIP_LOGIT * memory_noise
