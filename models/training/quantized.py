"""Quantization-aware training: a float model's int8 variant learns from the float model, through the recurrence."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load_file

from tinysam2.core.config import ModelConfig
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.conversion import freeze
from tinysam2.models.quantization.recipe import Recipe
from tinysam2.models.training.calibration import calibrated
from tinysam2.models.training.clips import ClipSampler
from tinysam2.models.training.distillation import Teacher
from tinysam2.models.training.footage import CANVAS, Footage
from tinysam2.models.training.held_out import HeldOut
from tinysam2.models.training.parallel import Execution
from tinysam2.models.training.run_folder import RunFolder
from tinysam2.models.training.settings import UNALTERED, LossWeights, TrainingSettings
from tinysam2.models.training.trainer import train
from tinysam2.models.weights.checkpoint import RECIPE, LoadedModel, save_checkpoint
from tinysam2.models.weights.terms import Terms

TAUGHT = LossWeights(logits=1.0)
"""Training goes on, and the teacher holds features and memories in place. Its mask logits count less than where a
student starts from nothing: they bring its mistakes along, and calibration alone already follows it closely."""


@dataclass(frozen=True)
class Calibration:
    """Batches that the scales are set from, and what is told how many are done."""

    batches: int = 16
    progress: Callable[[int], None] = lambda batches_done: None


def unaugmented_sampler(
    config: ModelConfig, videos: tuple[AnnotatedSequence, ...], settings: TrainingSettings
) -> ClipSampler:
    """Clips drawn as training draws them, but of real video and not altered: scales should fit what video looks like.

    Raises InputError where the videos cannot be used.
    """
    stages = tuple(replace(stage, real=1.0) for stage in settings.curriculum)
    unaugmented = replace(settings, augmentation=UNALTERED, curriculum=stages)
    return ClipSampler(Footage(videos, round(CANVAS * config.image_size)), unaugmented, config)


def calibrated_model(
    loaded: LoadedModel,
    recipe: Recipe,
    videos: tuple[AnnotatedSequence, ...],
    settings: TrainingSettings,
    how: Calibration,
) -> TinySAM2:
    """The quantization-aware variant of a float model with its scales set, in evaluation mode.

    Raises InputError where the videos cannot be used.
    """
    sampler = unaugmented_sampler(loaded.model.config, videos, settings)
    return calibrated(loaded.model, recipe, sampler, how.batches, how.progress)


def train_quantized(
    loaded: LoadedModel,
    variant: TinySAM2,
    videos: tuple[AnnotatedSequence, ...],
    settings: TrainingSettings,
    folder: RunFolder,
    held_out: HeldOut | None = None,
    execution: Execution | None = None,
) -> TinySAM2:
    """Trains a calibrated variant with its float model as the teacher, and returns it with the averaged weights.

    The run lies in `folder` and goes on where it was stopped. Raises InputError as `train` does.
    """
    teacher = Teacher(loaded.model, variant.config.hidden_dim)
    weights = train(variant, videos, settings, folder, held_out=held_out, teacher=teacher, execution=execution)
    variant.cpu().load_state_dict(load_file(weights))
    return variant.eval()


def save_quantized(variant: TinySAM2, recipe: Recipe, teacher: LoadedModel, terms: Terms, path: Path) -> None:
    """Writes the int8 checkpoint of a variant: int8 weights, scales and zero points, with the recipe, the teacher's
    digest, the preset and the terms as metadata. A former file stays whole until the new one is."""
    about = {RECIPE: recipe.to_json(), "teacher": teacher.digest, "preset": variant.config.name, **terms.metadata()}
    save_checkpoint(freeze(variant).state_dict(), path, about)
