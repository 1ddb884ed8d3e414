"""A tiny quantized model, and what each target's toolchain makes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.models.network.layers import LinearReLU
from tinysam2.validation.integers.products import Contents

PROGRAM = "image_encoder"
SIZE = 16


class Tiny(nn.Module):
    """One program of three convolutions, two linear layers with a ReLU between them, and attention's product."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise = nn.Conv2d(16, 12, 1)
        self.linear = LinearReLU(12, 20)
        self.square = nn.Linear(20, 20)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = F.gelu(self.conv(image))
        x = self.pointwise(F.gelu(self.depthwise(x)))
        tokens = x.flatten(2).transpose(1, 2)
        tokens = self.square(self.linear(tokens))
        return (torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens,)


class Program(nn.Module):
    """What converters take: a module that says its inputs and outputs."""

    def __init__(self, module: nn.Module, spec) -> None:
        super().__init__()
        self.module, self.spec = module, spec

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.module(image)


@dataclass(frozen=True)
class TinyModel:
    """A frozen model, in the attributes of the real one, and the image it was calibrated with."""

    model: nn.Module
    image: Tensor

    def layers(self):
        from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
        from tinysam2.validation.integers.layers import layers_of

        return layers_of(self.model, DEFAULT_RECIPE)


@pytest.fixture(scope="session")
def tiny() -> TinyModel:
    """All layers in int8."""
    from tinysam2.models.quantization.conversion import calibrate, freeze
    from tinysam2.models.quantization.layers import QuantizedLayer
    from tinysam2.models.quantization.recipe import PROGRAMS

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        encoder, image = Tiny(), torch.randn(1, 3, SIZE, SIZE)
    for name, layer in list(encoder.named_children()):
        setattr(encoder, name, QuantizedLayer(layer, activations=True, rounds_output=name != "linear"))
    model = nn.Module()
    for program in PROGRAMS:
        setattr(model, program, encoder if program == PROGRAM else nn.Identity())
    calibrate(model, lambda quantized: quantized.image_encoder(image))
    return TinyModel(freeze(model), image)


@pytest.fixture(scope="session")
def converted(tmp_path_factory) -> Callable[[nn.Module, str], Path]:
    """Converts a tiny model's one program to a target, once; the path of the file or package."""
    from tinysam2.core.contract import ProgramSpec, TensorSpec
    from tinysam2.core.silencing import silenced
    from tinysam2.core.targets import INT8, TARGETS
    from tinysam2.models.quantization.conversion import with_float_weights

    image = TensorSpec("image", (1, 3, SIZE, SIZE), "values")
    spec = ProgramSpec(PROGRAM, (image,), (TensorSpec("tokens", (1, SIZE * SIZE // 4, 20), "tokens"),))
    made: dict[tuple[int, str], Path] = {}

    def convert(model: nn.Module, target: str) -> Path:
        entry = TARGETS[target]
        pytest.importorskip(entry.packages[0])
        if (id(model), target) not in made:
            from tinysam2.converters.export import ExportedModel

            variant = with_float_weights(model) if entry.float_weights else model
            program = Program(variant.image_encoder, spec).eval()
            example = {"image": torch.zeros(image.shape)}
            graph = torch.export.export(program, (), example, strict=False)
            folder = tmp_path_factory.mktemp(target)
            with silenced():
                files = entry.load_converter().convert([ExportedModel(program, example, graph)], INT8, folder)
            made[id(model), target] = folder / files[PROGRAM]
        return made[id(model), target]

    return convert


@pytest.fixture(scope="session")
def read() -> Callable[[str, Path], Contents]:
    """The contents of a file, by its target's reader."""
    from tinysam2.core.targets import TARGETS

    return lambda target, path: TARGETS[target].load_integer_reader().read_contents(path, (PROGRAM,))
