"""How far two tensors or two masks are apart: one formula for each word."""

import numpy as np

MAX_SQNR_DB = 200.0
"""What equal tensors are given, so that a report holds numbers only."""


def sqnr_db(reference: np.ndarray, actual: np.ndarray, unit: float = 0.0) -> float:
    """Signal to quantization-noise ratio in dB: energy of the reference over energy of the difference.

    At most `MAX_SQNR_DB`; at least its negative, which is also what a value that is not finite is given. unit: a
    reference smaller than it in root mean square is taken to be as large: what a number near zero is measured by.
    """
    reference, actual = np.asarray(reference, np.float64), np.asarray(actual, np.float64)
    noise = np.square(reference - actual).sum()
    signal = max(np.square(reference).sum(), unit**2 * reference.size)
    if not np.isfinite(noise):
        return -MAX_SQNR_DB
    if noise == 0:
        return MAX_SQNR_DB
    if signal == 0:
        return -MAX_SQNR_DB
    return float(np.clip(10 * np.log10(signal / noise), -MAX_SQNR_DB, MAX_SQNR_DB))


def cosine(reference: np.ndarray, actual: np.ndarray) -> float:
    """Cosine of the angle between two tensors as vectors; two zero tensors are alike, one is not."""
    a, b = (np.asarray(x, np.float64).ravel() for x in (reference, actual))
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    if lengths == 0:
        return 1.0 if not a.any() and not b.any() else 0.0
    value = a @ b / lengths
    return float(value) if np.isfinite(value) else -1.0


def max_abs_error(reference: np.ndarray, actual: np.ndarray) -> float:
    """Largest absolute difference; the largest float32 where it is not finite."""
    error = np.abs(np.asarray(reference, np.float64) - np.asarray(actual, np.float64)).max(initial=0.0)
    return float(error) if np.isfinite(error) else float(np.finfo(np.float32).max)


def mask_iou(reference: np.ndarray, actual: np.ndarray) -> float:
    """Intersection over union of two boolean masks [H, W]; two empty masks agree."""
    union = np.logical_or(reference, actual).sum()
    return float(np.logical_and(reference, actual).sum() / union) if union else 1.0
