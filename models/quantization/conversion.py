"""From the float model to its quantization-aware variant, and from that to the frozen one."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from tinysam2.models.network.layers import WITH_RELU
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.data_flow import layer_readers
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
    precisions = {full: recipe.precision(*place) for full, place in quantizable_layers(variant).items()}
    readers = layer_readers(variant)
    quantized: dict[str, QuantizedLayer] = {}
    for full, precision in precisions.items():
        if precision != FLOAT:
            layer = variant.get_submodule(full)
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            # In int8, the layers that read what a ReLU leaves round it.
            read_in = {reader and precisions.get(reader) for reader in readers[full]}
            by_readers = isinstance(layer, WITH_RELU) and read_in == {W8A8}
            quantized[full] = QuantizedLayer(layer, precision == W8A8, rounds_output=not by_readers)
            _replace(variant, full, quantized[full])
    _share_quantizers(quantized, readers)
    return variant


def _share_quantizers(layers: Mapping[str, QuantizedLayer], readers: Mapping[str, set[str | None]]) -> None:
    """Gives each layer that reads another's rounded output that one's quantizer.

    Converters keep one rounding where two follow each other, and two scales would be learned apart.
    """
    for name, read_by in readers.items():
        output = layers[name].output if name in layers else None
        for reader in filter(None, read_by):
            if output is not None and reader in layers and layers[reader].input is not None:
                layers[reader].input = output


def calibrate(model: TinySAM2, run: Callable[[TinySAM2], None]) -> None:
    """Sets every activation's scale from what passes while `run` uses the model.

    Raises RuntimeError where a quantized layer was not reached.
    """
    quantizers = [module for module in model.modules() if isinstance(module, ActivationQuantizer)]
    with _watching(quantizers), torch.no_grad():
        run(model)
    for name, module in model.named_modules():
        if isinstance(module, ActivationQuantizer):
            try:
                module.set_from_calibration()
            except RuntimeError as error:
                raise RuntimeError(f"{name}: {error}") from error


def freeze(model: TinySAM2) -> TinySAM2:
    """A copy for inference: every quantized layer in its frozen form, the weights as int8."""
    variant = copy.deepcopy(model).eval()
    for name, module in list(variant.named_modules()):
        if isinstance(module, QuantizedLayer):
            _replace(variant, name, frozen(module))
    return variant.requires_grad_(False)


def with_float_weights(model: TinySAM2) -> TinySAM2:
    """A copy of a frozen model in the form that LiteRT's converter takes; see `FrozenLayer`."""
    variant = copy.deepcopy(model)
    for module in variant.modules():
        if isinstance(module, FrozenLayer):
            module.use_float_weight()
    return variant


def _replace(model: TinySAM2, name: str, module: nn.Module) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, module)


@contextmanager
def _watching(quantizers: list[ActivationQuantizer]) -> Iterator[None]:
    for quantizer in quantizers:
        quantizer.watching = True
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.watching = False
