"""Setting scales before any training: the float model's own values, on clips it will meet, through the recurrence."""

from collections.abc import Callable, Iterator

import torch

from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.conversion import calibrate, quantization_aware
from tinysam2.models.quantization.recipe import Recipe
from tinysam2.models.training.clips import ClipSampler, TrainingClip
from tinysam2.models.training.unroll import unroll


def calibration_clips(sampler: ClipSampler, batches: int) -> Iterator[TrainingClip]:
    """Batches spread over a run's whole curriculum, so that long clips are among them."""
    steps = sampler.settings.steps
    for number in range(batches):
        yield from sampler[number * steps // batches]


@torch.no_grad()
def calibrated(
    model: TinySAM2,
    recipe: Recipe,
    sampler: ClipSampler,
    batches: int,
    progress: Callable[[int], None] = lambda batches_done: None,
) -> TinySAM2:
    """The quantization-aware variant of a float model in evaluation mode, its scales set: post-training quantization.

    Raises RuntimeError where a quantized layer is never reached.
    """
    variant = quantization_aware(model, recipe).eval()

    def run(watched: TinySAM2) -> None:
        for done, clip in enumerate(calibration_clips(sampler, batches), 1):
            for _ in unroll(watched, clip):
                pass
            progress(done)

    calibrate(variant, run)
    return variant
