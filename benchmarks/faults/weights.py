"""Faults of the weights: the bytes of an artifact's weights replaced by those of a spoiled model."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.faults.bench import Bench, Fault, copy_fault
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.weights.checkpoint import seeded_model

LAYOUTS = {2: ((0, 1), (1, 0)), 4: ((0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0))}
"""Orders in which converters write the axes of matrices and of convolutions."""

FEWEST = 4
"""Values that a weight must have to be known by its bytes."""

LEAST_FOUND = 0.75
"""Share of the changed values that must be found in the files, so that the fault is there. LiteRT's converter folds
norms, and scales of attention, into the layers beside them (docs/faults.md)."""


@dataclass(frozen=True)
class StoredPlace:
    """Where a weight stands in an artifact: a file, by its path in the folder, and how the values are written."""

    file: Path
    offset: int
    dtype: type[np.floating]
    axes: tuple[int, ...]


def rewrite(folder: Path, bench: Bench, spoiled: TinySAM2) -> float:
    """Puts a model's weights in place of the unmodified ones in a copy of the artifacts; returns the share of the
    differing values that were found in the files."""
    data = {path: bytearray(path.read_bytes()) for path in files_of_weights(folder)}
    places, values = _places(bench), _weights(spoiled)
    found = wanted = 0
    for name, unmodified in _weights(bench.loaded.model).items():
        if unmodified.size < FEWEST or np.array_equal(unmodified, values[name]):
            continue
        wanted += unmodified.size
        found += unmodified.size if places[name] else 0
        for place in places[name]:
            with np.errstate(over="ignore"):
                written = np.ascontiguousarray(values[name].transpose(place.axes), place.dtype).tobytes()
            data[folder / place.file][place.offset : place.offset + len(written)] = written
    for path, spoiled_bytes in data.items():
        path.write_bytes(spoiled_bytes)
    return found / wanted


def files_of_weights(folder: Path) -> list[Path]:
    """The files in a folder, and in its packages, that hold weights."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".bin", ".pte", ".tflite"))


def _weights(model: TinySAM2) -> dict[str, np.ndarray]:
    """A model's values as its programs hold them, fused."""
    return {
        f"{name}.{key}": tensor.numpy()
        for name, program in build_programs(model).items()
        for key, tensor in program.state_dict().items()
    }


@cache
def _places(bench: Bench) -> dict[str, list[StoredPlace]]:
    """Every place of every weight in the unmodified artifacts, in fp32 or fp16 and whatever the order of its axes."""
    with bench.copied() as folder:
        data = {path.relative_to(folder): path.read_bytes() for path in files_of_weights(folder)}
    return {
        name: list(_places_of(values, data)) if values.size >= FEWEST else []
        for name, values in _weights(bench.loaded.model).items()
    }


def _places_of(values: np.ndarray, data: Mapping[Path, bytes]) -> Iterator[StoredPlace]:
    known = set()
    for dtype in (np.float32, np.float16):
        for axes in LAYOUTS.get(values.ndim, (tuple(range(values.ndim)),)):
            written = np.ascontiguousarray(values.transpose(axes), dtype).tobytes()
            if written in known:
                continue
            known.add(written)
            for file, content in data.items():
                offset = content.find(written)
                while offset >= 0:
                    yield StoredPlace(file, offset, dtype, axes)
                    offset = content.find(written, offset + len(written))


def weights_fault(name: str, what: str, spoil: Callable[[TinySAM2], None]) -> Fault:
    """A fault of the weights. spoil: is given a copy of the model to change."""

    def damage(folder: Path, bench: Bench) -> None:
        spoiled = copy.deepcopy(bench.loaded.model)
        with torch.no_grad():
            spoil(spoiled)
        share = rewrite(folder, bench, spoiled)
        if share < LEAST_FOUND:
            raise RuntimeError(f"{name}: only {share:.0%} of the changed weights are found in {bench.name}'s files")

    return copy_fault(name, what, "weights", damage)


def _noise(share: float, *parts: str) -> Callable[[TinySAM2], None]:
    """Normal noise of a share of each weight, the same in every run. parts: how the names begin; none: all."""

    def spoil(model: TinySAM2) -> None:
        generator = torch.Generator().manual_seed(0)
        for name, weight in model.named_parameters():
            if name.startswith(parts or "") and weight.numel() >= FEWEST:
                weight.mul_(1 + share * torch.randn(weight.shape, generator=generator))

    return spoil


LAYER = "mask_decoder.transformer.layers.0.mlp.layers.1.weight"

FEED_FORWARDS = tuple(f"memory_attention.layers.{i}.linear2" for i in range(2))


def _channel_zeroed(name: str) -> Callable[[TinySAM2], None]:
    def spoil(model: TinySAM2) -> None:
        layer = model.get_submodule(name)
        layer.weight[0] = 0
        if getattr(layer, "bias", None) is not None:
            layer.bias[0] = 0

    return spoil


def _first_channel_silent(model: TinySAM2) -> None:
    """The first of the stem's channels, wherever normalisation would bring it back."""
    norm = next(module for module in model.image_encoder.trunk.modules() if isinstance(module, nn.BatchNorm2d))
    norm.weight[0] = norm.bias[0] = 0


def _each_norm(change: Callable[[nn.BatchNorm2d], None]) -> Callable[[TinySAM2], None]:
    def spoil(model: TinySAM2) -> None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                change(module)

    return spoil


def _unfolded(norm: nn.BatchNorm2d) -> None:
    norm.running_mean.zero_()
    norm.running_var.fill_(1)


def _other_epsilon(norm: nn.BatchNorm2d) -> None:
    norm.eps = 1e-3


def _no_bias(norm: nn.BatchNorm2d) -> None:
    norm.bias.zero_()


def _keys_for_values(model: TinySAM2) -> None:
    attention = model.memory_attention.layers[0].cross_attn
    key, value = attention.k_proj, attention.v_proj
    for name in ("weight", "bias"):
        old = getattr(key, name).clone()
        getattr(key, name).copy_(getattr(value, name))
        getattr(value, name).copy_(old)


def _overflowing(model: TinySAM2) -> None:
    """First layers 100,000 times as large, the next as much smaller: the same in fp32."""
    for head in model.mask_decoder.hypernetworks:
        first, second, _ = head.layers
        first.weight.mul_(1e5)
        first.bias.mul_(1e5)
        second.weight.div_(1e5)


def _in_bits(bits: int) -> Callable[[TinySAM2], None]:
    """Weights keep so many bits of their mantissa."""

    def rounded(values: Tensor) -> Tensor:
        mantissa, exponent = torch.frexp(values)
        return torch.ldexp((mantissa * 2**bits).round() / 2**bits, exponent)

    def spoil(model: TinySAM2) -> None:
        for weight in model.parameters():
            weight.copy_(rounded(weight))

    return spoil


def _of_another_seed(model: TinySAM2) -> None:
    model.load_state_dict(seeded_model(model.config, seed=1).state_dict())


WEIGHT_FAULTS: tuple[Fault, ...] = (
    weights_fault("noise-0.1", "all weights off by 0.1 %", _noise(0.001)),
    weights_fault("noise-1", "all weights off by 1 %", _noise(0.01)),
    weights_fault("noise-10", "all weights off by 10 %", _noise(0.1)),
    weights_fault("encoder-noise-1", "the image encoder's weights off by 1 %", _noise(0.01, "image_encoder")),
    weights_fault("attention-noise-10", "two layers of memory attention off by 10 %", _noise(0.1, *FEED_FORWARDS)),
    weights_fault("layer-noise-10", "one layer of the mask decoder off by 10 %", _noise(0.1, LAYER)),
    weights_fault("layer-noise-100", "one layer of the mask decoder off by 100 %", _noise(1, LAYER)),
    weights_fault("stem-channel", "one channel of the image encoder's stem zeroed", _first_channel_silent),
    weights_fault(
        "upscale-channel", "one channel of the mask decoder zeroed", _channel_zeroed("mask_decoder.upscale2.conv")
    ),
    weights_fault("memory-channel", "one channel of the memories zeroed", _channel_zeroed("memory_encoder.projection")),
    weights_fault("norm-unfolded", "batch norms' statistics not folded in", _each_norm(_unfolded)),
    weights_fault("norm-epsilon", "batch norms folded with 1e-3 for 1e-5", _each_norm(_other_epsilon)),
    weights_fault("no-biases", "biases of the batch norms dropped", _each_norm(_no_bias)),
    weights_fault("keys-values", "a layer's key and value projections exchanged", _keys_for_values),
    weights_fault("bf16-weights", "weights rounded to bfloat16's 8 bits", _in_bits(8)),
    weights_fault("4-bit-weights", "weights rounded to 4 bits", _in_bits(4)),
    weights_fault(
        "overflow", "mask heads' first layers 100,000 times as large, the next as much smaller", _overflowing
    ),
    weights_fault("other-weights", "weights of another model", _of_another_seed),
)
