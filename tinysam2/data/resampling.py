"""Resizing by the frame contract: separable filters, antialiased, equal to the bit on every platform.

Across, then down. Images are resized in integers, values in float64. Algorithm and worked vectors:
docs/frame-contract.md. Source: Pillow's `Resample.c`, whose bytes it gives wherever Pillow goes across first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tinysam2.core.frame_contract import BOX, COEFFICIENT_BITS, TRIANGLE

ROWS_AT_ONCE = 32
"""Rows whose sums are held at a time: float64 sums of a whole image take eight times its bytes."""


@dataclass(frozen=True, eq=False)
class Taps:
    """What each output position takes along one axis.

    first: int64 [out], the first input position. weights: float64 [out, taps], from there on, 0 where there is none.
    """

    first: np.ndarray
    weights: np.ndarray

    @property
    def coefficients(self) -> np.ndarray:
        """int32 [out, taps]: the weights in fixed point, rounded half up."""
        return np.floor(self.weights * 2.0**COEFFICIENT_BITS + 0.5).astype(np.int32)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _box(x: np.ndarray) -> np.ndarray:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


_FILTERS: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {TRIANGLE: (1.0, _triangle), BOX: (0.5, _box)}
"""Filter -> half its width in input positions where nothing shrinks, and its values."""


@lru_cache(maxsize=64)
def taps(size: int, wanted: int, kernel: str) -> Taps:
    """The taps that take an axis of `size` positions to `wanted` ones; kernel: "triangle" or "box"."""
    support, values = _FILTERS[kernel]
    scale = size / wanted
    widened = max(scale, 1.0)
    support *= widened
    centers = (np.arange(wanted) + 0.5) * scale
    first = np.maximum(np.trunc(centers - support + 0.5), 0).astype(np.int64)
    last = np.minimum(np.trunc(centers + support + 0.5), size).astype(np.int64)
    offsets = np.arange((last - first).max())
    weights = values((offsets + first[:, None] - centers[:, None] + 0.5) * (1.0 / widened))
    weights[offsets >= (last - first)[:, None]] = 0.0
    total = np.zeros(wanted)
    for column in weights.T:
        total += column
    return Taps(first, weights / total[:, None])


def resize_image(image: np.ndarray, width: int, height: int, kernel: str = TRIANGLE) -> np.ndarray:
    """uint8 [H, W, C] -> uint8 [height, width, C], in integers and rounded to bytes between the passes."""
    across = _resized_rows(np.ascontiguousarray(image.swapaxes(0, 1)), width, kernel)
    return _resized_rows(np.ascontiguousarray(across.swapaxes(0, 1)), height, kernel)


def resize_values(values: np.ndarray, width: int, height: int, kernel: str) -> np.ndarray:
    """float32 [H, W] -> float32 [height, width]: float64 sums in the order of the taps, float32 after each pass."""
    across = _summed_rows(np.ascontiguousarray(values.T), width, kernel)
    return _summed_rows(np.ascontiguousarray(across.T), height, kernel)


def _resized_rows(image: np.ndarray, wanted: int, kernel: str) -> np.ndarray:
    """uint8 [n, ...] -> uint8 [wanted, ...]. The products and sums are whole numbers below 2^31, so that float64 is
    exact in any order of summation, and a matrix product may take it."""
    if len(image) == wanted:
        return image
    chosen = taps(len(image), wanted, kernel)
    flat = image.reshape(len(image), -1)
    coefficients = chosen.coefficients.astype(np.float64)
    resized = np.empty((wanted, flat.shape[1]), np.uint8)
    block = np.empty((min(wanted, ROWS_AT_ONCE), flat.shape[1]))
    for begin in range(0, wanted, ROWS_AT_ONCE):
        sums = block[: wanted - begin]
        for row, total in enumerate(sums, begin):
            rows = flat[chosen.first[row] : chosen.first[row] + coefficients.shape[1]]
            np.matmul(coefficients[row, : len(rows)], rows.astype(np.float64), out=total)
        # A shift to the right is a product with a power of two, which is exact, and a floor.
        sums += 1 << (COEFFICIENT_BITS - 1)
        sums *= 2.0**-COEFFICIENT_BITS
        resized[begin : begin + len(sums)] = np.clip(np.floor(sums, out=sums), 0, 255, out=sums)
    return resized.reshape(wanted, *image.shape[1:])


def _summed_rows(values: np.ndarray, wanted: int, kernel: str) -> np.ndarray:
    """float32 [n, m] -> float32 [wanted, m]."""
    if len(values) == wanted:
        return values
    chosen = taps(len(values), wanted, kernel)
    sums = np.zeros((wanted, values.shape[1]))
    for tap, weights in enumerate(chosen.weights.T):
        rows = values[np.minimum(chosen.first + tap, len(values) - 1)]
        sums += rows * weights[:, None]
    return sums.astype(np.float32)
