"""The layers of a quantized checkpoint: what every artifact made from it is held to."""

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from tinysam2.models.network.layers import WITH_RELU
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.layers import FrozenLayer
from tinysam2.models.quantization.recipe import FLOAT, PROGRAMS, Recipe
from tinysam2.validation.integers.products import Rounding, StoredWeight


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution or linear layer of the model.

    name: with its program, as in the checkpoint. precision: what the recipe says. weight: what the checkpoint says,
    which of a layer left in float is float. input_qparams, output_qparams: None where its activations are float.
    with_relu: whether a ReLU follows, behind which its output is rounded.
    """

    name: str
    program: str
    precision: str
    weight: StoredWeight
    input_qparams: Rounding | None
    output_qparams: Rounding | None
    with_relu: bool = False


def layers_of(model: TinySAM2, recipe: Recipe) -> list[Layer]:
    """The layers of a frozen model, fused, in its order; the precision of each is the recipe's."""
    layers = [
        _layer(f"{program}.{name}", program, recipe.precision(program, name), module)
        for program in PROGRAMS
        for name, module in getattr(model, program).named_modules()
        if isinstance(module, FrozenLayer | nn.Conv2d | nn.Linear)
    ]
    # What has no rounding of its own behind its ReLU is rounded as its reader takes it, which comes next.
    return [
        replace(layer, output_qparams=reader.input_qparams)
        if reader and layer.input_qparams and not layer.output_qparams
        else layer
        for layer, reader in zip(layers, [*layers[1:], None], strict=True)
    ]


def _layer(name: str, program: str, precision: str, module: FrozenLayer | nn.Conv2d | nn.Linear) -> Layer:
    values = module.weight.detach().numpy()
    if not isinstance(module, FrozenLayer):
        return Layer(name, program, precision, StoredWeight(values), None, None, isinstance(module, WITH_RELU))
    scale = module.weight_scale.numpy()
    return Layer(
        name,
        program,
        precision,
        StoredWeight(values, scale, np.zeros(len(scale), np.int64)),
        module.input_qparams and Rounding(*module.input_qparams),
        module.output_qparams and Rounding(*module.output_qparams),
        module.with_relu,
    )


def is_quantized(layer: Layer) -> bool:
    """Whether the recipe wants its weights in int8."""
    return layer.precision != FLOAT
