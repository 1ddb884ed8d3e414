"""Which products of a file are which layers of the checkpoint: names are lost on the way, contents are not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinysam2.validation.integers.layers import Layer
from tinysam2.validation.integers.products import Contents, Product, StandaloneRounding, StoredWeight

NEAR = 0.1
"""Difference, as a share of the layer's own size, up to which a float weight is still that layer's.

Rounding to int8 moves a weight by about 0.01, and weights that have nothing to do with each other differ by 1.4.
"""


@dataclass(frozen=True)
class Matching:
    """products: of each layer, those that apply it, in the layers' order; a layer that is applied twice has two.
    others: products of a weight that is no layer's, and of two activations. standalone_roundings: as in the file."""

    products: Sequence[tuple[Layer, Sequence[Product]]]
    others: Sequence[Product]
    standalone_roundings: Sequence[StandaloneRounding]


def matched(layers: Sequence[Layer], contents: Contents) -> Matching:
    """Gives every product with a weight its layer: the one with these very integers, else the nearest that fits.

    An int8 weight whose integers are no layer's goes to the nearest layer of its size that nothing else is, so that
    a fault is told of the layer that has it; a float weight only to a layer that it is near to.
    """
    found: dict[str, list[Product]] = {layer.name: [] for layer in layers}
    unclear, others = [], []
    for product in contents.products:
        if product.weight is None:
            others.append(product)
            continue
        fitting = [layer for layer in layers if _fits(layer, product)]
        distances = [_distance(layer.weight, product.weight) for layer in fitting]
        nearest = int(np.argmin(distances)) if fitting else None
        if nearest is not None and distances[nearest] < NEAR:
            found[fitting[nearest].name].append(product)
        elif product.weight.is_int8:
            unclear.append((product, dict(zip((layer.name for layer in fitting), distances, strict=True))))
        else:
            others.append(product)
    for product, by_name in unclear:
        free = {name: distance for name, distance in by_name.items() if not found[name]}
        if free:
            found[min(free, key=free.__getitem__)].append(product)
        else:
            others.append(product)
    return Matching([(layer, found[layer.name]) for layer in layers], others, contents.standalone_roundings)


def flat(weight: StoredWeight) -> np.ndarray:
    """[O, everything else]: a 1x1 convolution may have become a linear layer, and the other way round."""
    return weight.values.reshape(len(weight.values), -1)


def _fits(layer: Layer, product: Product) -> bool:
    if product.weight is None or layer.program != product.program:
        return False
    return layer.weight.values.size == product.weight.values.size


def _distance(layer: StoredWeight, found: StoredWeight) -> float:
    if flat(layer).shape != flat(found).shape:
        return np.inf
    if layer.is_int8 and found.is_int8:
        return float(np.mean(flat(layer) != flat(found)))
    wanted = _dense(layer)
    return float(np.linalg.norm(_dense(found) - wanted) / max(np.linalg.norm(wanted), np.finfo(np.float32).tiny))


def _dense(weight: StoredWeight) -> np.ndarray:
    values = flat(weight).astype(np.float32)
    if weight.scale is None or weight.scale.size not in (1, len(values)):
        return values
    return values * weight.scale.reshape(-1, 1)
