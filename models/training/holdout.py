"""How well weights track videos that were kept out of training: a quick look, not a benchmark's score."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.training.clips import TARGET_SCALE, Clip
from tinysam2.models.training.footage import AnnotatedVideo
from tinysam2.models.training.losses import hard_iou
from tinysam2.models.training.prompts import no_prompt
from tinysam2.models.training.unroll import unroll

FRAMES = 30
"""Frames of each video that are tracked."""


@torch.no_grad()
def mean_j(model: TinySAM2, videos: Sequence[AnnotatedVideo]) -> float:
    """Mean IoU of the first object of each video, from its first mask, on the square that the model sees.

    model: in evaluation mode, on the CPU. Raises InputError where a video has no mask to compare with after its first.
    """
    means = []
    for video in videos:
        clip, annotated = video_clip(video, model.config)
        overlaps = [hard_iou(frame.mask_logits, clip.targets[:, t]) for t, frame in enumerate(unroll(model, clip))]
        means.append(float(torch.cat([overlaps[t] for t in annotated]).mean()))
    return float(np.mean(means))


def video_clip(video: AnnotatedVideo, config: ModelConfig) -> tuple[Clip, list[int]]:
    """The start of a video as a batch of one clip, prompted by its first mask, and its annotated frames but that."""
    object_id, first = next(iter(video.objects.items()))
    indices = range(first, min(first + FRAMES, len(video)))
    square, side = (config.image_size, config.image_size), TARGET_SCALE * config.mask_size
    images, targets, annotated = [], [], []
    for t, index in enumerate(indices):
        frame = Image.fromarray(video.frame(index)).resize(square, Image.Resampling.BILINEAR)
        images.append(torch.from_numpy(np.asarray(frame).transpose(2, 0, 1).copy()))
        ids = video.ids(index)
        mask = np.zeros(square, np.float32) if ids is None else (ids == object_id).astype(np.float32)
        targets.append(np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BOX)))
        if t and ids is not None:
            annotated.append(t)
    if not annotated:
        raise InputError(
            f"sequence {video.name} has no mask in the {len(indices) - 1} frames after its first; "
            "what is held out is compared with its masks, so name sequences that are annotated throughout"
        )
    wanted = torch.from_numpy(np.stack(targets))[None, :, None]
    prompt = no_prompt(config, 1)
    share = F.avg_pool2d(wanted[:, 0], TARGET_SCALE)
    prompt = FramePrompt(prompt.point_coords, prompt.point_labels, share, torch.ones(1, 1))
    slips = torch.zeros(1, len(images), *share.shape[1:])
    return Clip(torch.stack(images)[None], wanted, prompt, slips), annotated
