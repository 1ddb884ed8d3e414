"""What an artifact's integers are held to: named checks, each telling its faults by the layer's name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinysam2.models.quantization.recipe import W8A8
from tinysam2.validation.integers.layer_matching import Matching, flat, matched
from tinysam2.validation.integers.layers import Layer, is_quantized
from tinysam2.validation.integers.products import (
    Contents,
    Product,
    Rounding,
    Share,
    StandaloneRounding,
    StoredWeight,
    int8_shares,
)

LocatedFault = tuple[str, str]
"""A layer, or a place in the file, and what is wrong with it."""


@dataclass(frozen=True)
class Check:
    """One rule: what it says, and what finds its faults."""

    name: str
    says: str
    find: Callable[[Matching], Iterable[LocatedFault]]


@dataclass(frozen=True)
class Verdict:
    """What a check found: nothing, or faults by layer."""

    name: str
    says: str
    faults: Mapping[str, str]

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class IntegerReport:
    """The verdict of every check on one target's artifacts.

    shares: by program, the multiply-accumulates that int8 kernels do.
    """

    verdicts: Sequence[Verdict]
    shares: Mapping[str, Share]

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


def check_integers(layers: Sequence[Layer], contents: Contents) -> IntegerReport:
    """Holds the contents of an artifact to the layers of the checkpoint that it was made from."""
    matching = matched(layers, contents)
    verdicts = []
    for check in CHECKS:
        faults: dict[str, list[str]] = {}
        for where, what in check.find(matching):
            faults.setdefault(where, [])
            if what not in faults[where]:
                faults[where].append(what)
        verdicts.append(Verdict(check.name, check.says, {where: "; ".join(what) for where, what in faults.items()}))
    return IntegerReport(verdicts, int8_shares(contents.products))


def _weights(matching: Matching) -> Iterator[LocatedFault]:
    for layer, weight in _int8_weights(matching):
        wanted, found = flat(layer.weight), flat(weight)
        if wanted.shape != found.shape:
            yield layer.name, f"its weight is {list(found.shape)} instead of {list(wanted.shape)}"
        elif count := int((wanted != found).sum()):
            yield layer.name, f"{count} of {wanted.size} integers of its weight differ"


def _scales(matching: Matching) -> Iterator[LocatedFault]:
    for layer, weight in _int8_weights(matching):
        wanted, found = layer.weight.scale, weight.scale
        assert wanted is not None
        assert found is not None
        if wanted.shape != found.shape:
            yield layer.name, f"its weight has {found.size} scales instead of {wanted.size}"
        elif count := int(np.sum(wanted != found)):
            yield layer.name, f"{count} of {wanted.size} scales of its weight differ"
    for where, side, ours, theirs in _roundings(matching):
        if ours.scale != theirs.scale:
            yield where, f"the scale of its {side} is {theirs.scale!r} instead of {ours.scale!r}"


def _zero_points(matching: Matching) -> Iterator[LocatedFault]:
    for layer, weight in _int8_weights(matching):
        if weight.zero_point is not None and weight.zero_point.any():
            yield layer.name, "a zero point of its weight is not 0"
    for where, side, wanted, found in _roundings(matching):
        if wanted.zero_point != found.zero_point:
            yield where, f"the zero point of its {side} is {found.zero_point} instead of {wanted.zero_point}"


def _recipe(matching: Matching) -> Iterator[LocatedFault]:
    for layer, found in matching.products:
        if not found and is_quantized(layer):
            yield layer.name, "it is not in the file"
        for product in found:
            assert product.weight is not None  # it is matched by its weight
            if is_quantized(layer) and not product.weight.is_int8:
                yield layer.name, f"its weight is float, the recipe says {layer.precision}"
            if not is_quantized(layer) and product.weight.is_int8:
                yield layer.name, f"its weight is int8, the recipe says {layer.precision}"
            for side, rounding in (("input", product.input_qparams), ("output", product.output_qparams)):
                if (rounding is not None) != (layer.precision == W8A8) and product.weight.is_int8:
                    held = "float" if rounding is None else "int8"
                    yield layer.name, f"its {side} is {held}, the recipe says {layer.precision}"
            if product.weight.is_int8 and bool(product.fused) != layer.with_relu:
                yield layer.name, f"its kernel does {product.fused or 'no ReLU'} before it rounds"
    for product in matching.others:
        if product.weight is not None and product.weight.is_int8:
            yield _place(product), "its weight is int8 and no layer's"
        if product.weight is None and product.is_int8:
            yield _place(product), "it multiplies two activations in int8"
    for standalone in matching.standalone_roundings:
        yield _place(standalone), "it rounds an activation that no layer takes so"


def _fp16_scales(matching: Matching) -> Iterator[LocatedFault]:
    named = [(layer.name, product) for layer, products in matching.products for product in products]
    for where, product in named + [(_place(product), product) for product in matching.others]:
        if product.weight and product.weight.scale is not None and not _in_fp16(product.weight.scale):
            yield where, "a scale of its weight is no fp16 number"
        for side, rounding in (("input", product.input_qparams), ("output", product.output_qparams)):
            if rounding is not None and not _in_fp16(rounding.scale):
                yield where, f"the scale of its {side} is no fp16 number"


def _axis(matching: Matching) -> Iterator[LocatedFault]:
    for layer, weight in _int8_weights(matching):
        if weight.scale is not None and weight.scale.size > 1 and weight.axis != 0:
            yield layer.name, f"its scales run along axis {weight.axis} of its weight, not along its outputs"


def _int8_pairs(matching: Matching) -> Iterator[tuple[Layer, Product]]:
    for layer, products in matching.products:
        for product in products:
            if layer.weight.is_int8 and product.weight is not None and product.weight.is_int8:
                yield layer, product


def _int8_weights(matching: Matching) -> Iterator[tuple[Layer, StoredWeight]]:
    """Layer, and its weight as the file has it."""
    return ((layer, product.weight) for layer, product in _int8_pairs(matching) if product.weight is not None)


def _roundings(matching: Matching) -> Iterator[tuple[str, str, Rounding, Rounding]]:
    """Layer, side, and how the checkpoint and the file round there."""
    for layer, product in _int8_pairs(matching):
        if layer.input_qparams is not None and product.input_qparams is not None:
            yield layer.name, "input", layer.input_qparams, product.input_qparams
        if layer.output_qparams is not None and product.output_qparams is not None:
            yield layer.name, "output", layer.output_qparams, product.output_qparams


def _place(found: Product | StandaloneRounding) -> str:
    return f"{found.program}: {found.place}"


def _in_fp16(numbers: np.ndarray | float) -> bool:
    numbers = np.asarray(numbers, np.float32)
    return bool((numbers.astype(np.float16).astype(np.float32) == numbers).all())


CHECKS = (
    Check("weights", "every integer of every weight is the checkpoint's", _weights),
    Check("scales", "every scale of weights and activations is the checkpoint's, to the last bit", _scales),
    Check("zero points", "every zero point is the checkpoint's", _zero_points),
    Check("recipe", "what the recipe quantizes is int8 in the file, and nothing else is", _recipe),
    Check("fp16 scales", "every scale is a number that fp16 holds", _fp16_scales),
    Check("axis", "the scales of a weight belong to its output channels", _axis),
)
