"""Lines and powers through measured points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Line:
    """y = start + slope * x. fit: the share of the variance that it explains; 1 where there is none."""

    start: float
    slope: float
    fit: float


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The least-squares line through at least two points of different x."""
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    slope, start = np.polyfit(xs, ys, 1)
    around = float(((ys - ys.mean()) ** 2).sum())
    left = float(((ys - start - slope * xs) ** 2).sum())
    return Line(float(start), float(slope), 1 - left / around if around else 1.0)


def exponent(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The power of x that y grows with: the slope of their logarithms; None where a value is not positive."""
    if min(*x, *y) <= 0:
        return None
    return line([math.log(value) for value in x], [math.log(value) for value in y]).slope
