"""What quantizing each layer alone costs: who is worth keeping in float."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.conversion import quantizable_layers, quantization_aware
from tinysam2.models.quantization.layers import QuantizedLayer
from tinysam2.models.quantization.recipe import FLOAT, Recipe, Rule
from tinysam2.models.training.clips import Clip
from tinysam2.models.training.losses import hard_iou
from tinysam2.models.training.unroll import unroll

MOST_DB = 120.0
"""What equal masks are given, so that a table holds numbers only."""


@dataclass(frozen=True)
class LayerCost:
    """One layer, quantized alone: SQNR in dB of the mask logits, and mean IoU of the masks, with the float model's."""

    program: str
    layer: str
    parameters: int
    sqnr_db: float
    mask_iou: float


@torch.no_grad()
def layer_costs(
    model: TinySAM2, clips: Sequence[Clip], progress: Callable[[int], None] = lambda layers_done: None
) -> list[LayerCost]:
    """The cost of every quantized layer of a calibrated model, the dearest first.

    The masks are those of the tracked frames, through the recurrence: an error counts with what it leads to.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, QuantizedLayer)}
    with _all_off(layers.values()):
        expected = _masks(model, clips)
        costs = []
        for done, (name, layer) in enumerate(layers.items(), 1):
            layer.active = True
            found = _masks(model, clips)
            layer.active = False
            program, _, within = name.partition(".")
            costs.append(LayerCost(program, within, layer.layer.weight.numel(), *_compared(expected, found)))
            progress(done)
    return sorted(costs, key=lambda cost: (cost.mask_iou, cost.sqnr_db))


def sparing(recipe: Recipe, costs: Sequence[LayerCost], least_iou: float) -> Recipe:
    """The recipe with every layer left in float that alone costs more mask IoU than `least_iou` allows."""
    dear = [cost for cost in costs if cost.mask_iou < least_iou]
    return Recipe((*recipe.rules, *(Rule(cost.program, cost.layer, FLOAT) for cost in dear)))


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


def _masks(model: TinySAM2, clips: Sequence[Clip]) -> Tensor:
    """Mask logits of all clips' tracked frames, [N, 4G, 4G]."""
    return torch.cat([frame.mask_logits[:, 0] for clip in clips for frame in list(unroll(model, clip))[1:]])


def _compared(expected: Tensor, found: Tensor) -> tuple[float, float]:
    noise = (expected - found).square().sum()
    ratio = expected.square().sum() / noise.clamp(min=1e-30)
    iou = hard_iou(found[:, None], (expected[:, None] > 0).float())
    return min(float(10 * torch.log10(ratio)), MOST_DB), float(iou.mean())
