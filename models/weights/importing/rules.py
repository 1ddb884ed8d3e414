"""Renaming as data: a rule says which source tensor becomes which of ours, and how its layout changes."""

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from tinysam2.models.network.layers import Upsample2x
from tinysam2.models.network.position import halves_from_pairs

Transform = Callable[[Tensor], Tensor]

_PLACEHOLDERS = {"n": r"\d+", "m": r"\d+", "p": "weight|bias", "qk": "q|k", "rest": ".+"}


@dataclass(frozen=True)
class RenamingRule:
    """Source tensors whose whole key is like `source`, and what becomes of them.

    Placeholders stand for a number ({n}, {m}), weight or bias ({p}), q or k ({qk}) or anything ({rest}), and
    for the same in `target`, our name. `name[2]` is row 2 of a tensor whose rows the source keeps apart.

    target: None where the tensor has no use; `why` then says so.
    why: the reason in the report, too, where the target is not part of the chosen config.
    exact: a target that the config lacks is an error, since the part only makes sense as a whole.
    """

    source: str
    target: str | None
    transform: Transform | None = None
    why: str = "no counterpart in TinySAM 2"
    exact: bool = False

    def match(self, key: str) -> re.Match[str] | None:
        """The placeholders' values in a key, or None where it is not of this rule."""
        return _compiled(self.source).fullmatch(key)


def matches(pattern: str, keys: Iterable[str]) -> bool:
    """Whether any key is like the pattern."""
    return any(_compiled(pattern).fullmatch(key) for key in keys)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """`a.{n}.b` -> a regular expression with a group for each placeholder."""
    pieces = re.split(r"\{(\w+)\}", pattern)
    literal, names = pieces[::2], pieces[1::2]
    groups = [f"(?P<{name}>{_PLACEHOLDERS[name]})" for name in names] + [""]
    return re.compile("".join(re.escape(text) + group for text, group in zip(literal, groups, strict=True)))


def pairs_to_halves(projection: Tensor) -> Tensor:
    """Output channels of a rotary projection, weight or bias: neighbours as pairs -> halves as pairs."""
    return projection[halves_from_pairs(projection.shape[0])]


def pixel_shuffle_weight(weight: Tensor) -> Tensor:
    """Weight of a transposed 2x2 convolution -> that of `Upsample2x`."""
    return Upsample2x.from_transposed(weight, weight.new_zeros(weight.shape[1]))[0]


def pixel_shuffle_bias(bias: Tensor) -> Tensor:
    """Bias of a transposed 2x2 convolution -> that of `Upsample2x`."""
    return Upsample2x.from_transposed(bias.new_zeros(1, len(bias), 2, 2), bias)[1]


def linear_to_conv(weight: Tensor) -> Tensor:
    """[O, I] -> [O, I, 1, 1]."""
    return weight[:, :, None, None]


def to_rows(embedding: Tensor) -> Tensor:
    """[n, 1, ..., d] -> [n, d]."""
    return embedding.flatten(0, -2)


def to_scale(kernel: Tensor) -> Tensor:
    """Kernel [1, 1, k, k] -> the scale that it is for an input that is constant under it."""
    return kernel.sum((1, 2, 3)).reshape(())


def to_scalar(bias: Tensor) -> Tensor:
    """[1] -> []."""
    return bias.reshape(())
