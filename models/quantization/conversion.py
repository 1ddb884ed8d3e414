"""From the float model to its quantization-aware variant, and from that to the frozen one."""

import copy
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tinysam2.models.network.layers import RECTIFIED
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.layers import ActivationQuantizer, FrozenLayer, QuantizedLayer, frozen
from tinysam2.models.quantization.recipe import FLOAT, PROGRAMS, W8A8, Recipe


def quantizable_layers(model: TinySAM2) -> dict[str, tuple[str, str]]:
    """Full name -> (program, name within it) of every layer that a recipe can quantize, in the fused model,
    or has frozen."""
    return {
        f"{program}.{name}": (program, name)
        for program in PROGRAMS
        for name, module in getattr(model, program).named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | FrozenLayer)
    }


def quantization_aware(model: TinySAM2, recipe: Recipe) -> TinySAM2:
    """A copy with its image encoder fused and its layers quantized as the recipe says; its scales are not set yet.

    Fused first: re-parameterised branches that are quantized apart do not add up to the convolution that ships.
    """
    variant = copy.deepcopy(model)
    variant.image_encoder = model.image_encoder.fuse()
    layers = quantizable_layers(variant)
    precisions = {full: recipe.precision(*place) for full, place in layers.items()}
    readers = dict(itertools.pairwise(layers))
    for full, precision in precisions.items():
        if precision != FLOAT:
            layer = variant.get_submodule(full)
            # What a ReLU leaves has one reader, the layer that comes next; in int8 that one rounds it.
            rounded_next = isinstance(layer, RECTIFIED) and precisions[readers[full]] == W8A8
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            _replace(variant, full, QuantizedLayer(layer, precision == W8A8, rounds_output=not rounded_next))
    return variant


def calibrate(model: TinySAM2, run: Callable[[TinySAM2], None]) -> None:
    """Sets every activation's scale from what passes while `run` uses the model.

    A layer that reads another's rounded output has that one's scale from now on, in training too: converters keep one
    rounding where two follow each other, and two scales would be learned apart. Raises RuntimeError where a quantized
    layer was not reached.
    """
    quantizers = [module for module in model.modules() if isinstance(module, ActivationQuantizer)]
    with _watching(quantizers), _readers_joined(model), torch.no_grad():
        run(model)
    for name, module in model.named_modules():
        if isinstance(module, ActivationQuantizer):
            try:
                module.settle()
            except RuntimeError as error:
                raise RuntimeError(f"{name}: {error}") from error


def freeze(model: TinySAM2) -> TinySAM2:
    """A copy for inference: every quantized layer in its frozen form, the weights as int8."""
    variant = copy.deepcopy(model).eval()
    for name, module in list(variant.named_modules()):
        if isinstance(module, QuantizedLayer):
            _replace(variant, name, frozen(module))
    return variant.requires_grad_(False)


def unfolded(model: TinySAM2) -> TinySAM2:
    """A copy of a frozen model in the form that LiteRT's converter takes; see `FrozenLayer`."""
    variant = copy.deepcopy(model)
    for module in variant.modules():
        if isinstance(module, FrozenLayer):
            module.unfold()
    return variant


def _replace(model: TinySAM2, name: str, module: nn.Module) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, module)


@contextmanager
def _readers_joined(model: TinySAM2) -> Iterator[None]:
    """While the model runs, each layer that is given the very tensor that another one rounded takes its quantizer."""

    def mark(layer: QuantizedLayer, _: tuple, returned: Tensor) -> None:
        returned.rounded_by = layer.output  # type: ignore[attr-defined]  # torch's types list a tensor's own

    def join(layer: QuantizedLayer, given: tuple[Tensor]) -> None:
        rounded_by = getattr(given[0], "rounded_by", None)
        if rounded_by is not None and layer.input is not None:
            layer.input = rounded_by

    layers = [module for module in model.modules() if isinstance(module, QuantizedLayer)]
    hooks = [hook for x in layers for hook in (x.register_forward_hook(mark), x.register_forward_pre_hook(join))]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _watching(quantizers: list[ActivationQuantizer]) -> Iterator[None]:
    for quantizer in quantizers:
        quantizer.watching = True
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.watching = False
