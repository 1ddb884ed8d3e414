"""What quantizing each layer alone costs: which layers are worth keeping in float."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from tinysam2.core.errors import InputError
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.data.tracked import ObjectTracker
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.conversion import quantizable_layers, quantization_aware
from tinysam2.models.quantization.layers import QuantizedLayer
from tinysam2.models.quantization.recipe import FLOAT, Recipe, Rule
from tinysam2.scoring.evaluation import tracked_frames
from tinysam2.scoring.metrics import mask_iou, sqnr_db


@dataclass(frozen=True)
class LayerCost:
    """One layer, quantized alone: SQNR in dB of the mask logits, and mean IoU of the masks, with the float model's."""

    program: str
    layer: str
    parameters: int
    sqnr_db: float
    mask_iou: float


def layer_costs(
    model: TinySAM2,
    sequences: Sequence[AnnotatedSequence],
    new_tracker: Callable[[TinySAM2], ObjectTracker],
    progress: Callable[[int], None] = lambda layers_done: None,
) -> list[LayerCost]:
    """The cost of every quantized layer of a calibrated model, the most sensitive first.

    The masks are those of the objects on the frames after their first, at the frame's size, through the recurrence: an
    error counts with what it leads to. new_tracker: makes a tracker of the model as it stands at that time.
    Raises InputError as `track_sequence` does, or where no object has a frame after its first.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLayer)}
    with _all_off(layers.values()):
        expected = _mask_logits(model, sequences, new_tracker)
        if not expected:
            raise InputError("no object is tracked beyond its first frame; take sequences of at least two frames")
        costs = []
        for done, (name, layer) in enumerate(layers.items(), 1):
            layer.active = True
            found = _mask_logits(model, sequences, new_tracker)
            layer.active = False
            program, _, within = name.partition(".")
            costs.append(LayerCost(program, within, layer.layer.weight.numel(), *_compared(expected, found)))
            progress(done)
    return sorted(costs, key=lambda cost: (cost.mask_iou, cost.sqnr_db))


def sparing(recipe: Recipe, costs: Sequence[LayerCost], least_iou: float) -> Recipe:
    """The recipe with every layer left in float that alone costs more mask IoU than `least_iou` allows."""
    sensitive = [cost for cost in costs if cost.mask_iou < least_iou]
    return Recipe((*recipe.rules, *(Rule(cost.program, cost.layer, FLOAT) for cost in sensitive)))


def share_in_int8(model: TinySAM2, recipe: Recipe) -> float:
    """Share of a float model's convolution and linear weights that a recipe quantizes."""
    fused = quantization_aware(model, Recipe(()))
    counts = {True: 0, False: 0}
    for name, (program, layer) in quantizable_layers(fused).items():
        counts[recipe.precision(program, layer) != FLOAT] += fused.get_parameter(f"{name}.weight").numel()
    return counts[True] / sum(counts.values())


@contextmanager
def _all_off(layers) -> Iterator[None]:
    layers = list(layers)
    for layer in layers:
        layer.active = False
    try:
        yield
    finally:
        for layer in layers:
            layer.active = True


def _mask_logits(
    model: TinySAM2, sequences: Sequence[AnnotatedSequence], new_tracker: Callable[[TinySAM2], ObjectTracker]
) -> list[np.ndarray]:
    """Mask logits [H, W] of every object on every frame after its first."""
    return [
        tracked.logits
        for sequence in sequences
        for index, frame in enumerate(tracked_frames(new_tracker(model), sequence))
        for object_id, tracked in frame.objects.items()
        if index > sequence.objects[object_id]
    ]


def _compared(expected: list[np.ndarray], found: list[np.ndarray]) -> tuple[float, float]:
    """SQNR in dB over all masks, and their mean IoU."""
    ious = [mask_iou(one > 0, other > 0) for one, other in zip(expected, found, strict=True)]
    one, other = (np.concatenate([logits.ravel() for logits in masks]) for masks in (expected, found))
    return sqnr_db(one, other), float(np.mean(ious))
