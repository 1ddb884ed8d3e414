"""The two measures of DAVIS, region similarity J and boundary accuracy F, as its 2017 toolkit computes them.

Sources: Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation (CVPR 2016);
the rules at the borders of masks and pictures, davis2017/metrics.py of
https://github.com/davisvideochallenge/davis2017-evaluation.
"""

import math

import numpy as np

from tinysam2.scoring.metrics import mask_iou

BOUNDARY_TOLERANCE = 0.008
"""How far apart two boundaries may lie and still match, as a share of the picture's diagonal."""


def region_similarity(truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None) -> float:
    """J: intersection over union, 0 to 1, of two boolean masks [H, W]; two empty masks agree.

    void: boolean [H, W], pixels that count for neither.
    """
    if void is not None:
        truth, prediction = truth & ~void, prediction & ~void
    return mask_iou(truth, prediction)


def boundary_measure(truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None) -> float:
    """F: how well the outlines of two boolean masks [H, W] agree, 0 to 1; two masks without outline agree.

    The harmonic mean of precision and recall: the shares of the predicted and of the true boundary's pixels that lie
    within the tolerance of the other. void: boolean [H, W], pixels taken out of both masks.
    """
    if void is not None:
        truth, prediction = truth & ~void, prediction & ~void
    tolerance = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*truth.shape))
    window = _window(truth | prediction)
    true_edge, predicted_edge = _boundary(truth[window]), _boundary(prediction[window])
    in_truth, in_prediction = np.count_nonzero(true_edge), np.count_nonzero(predicted_edge)
    if not in_truth or not in_prediction:
        return float(in_truth == in_prediction)
    recall = np.count_nonzero(true_edge & _dilated(predicted_edge, tolerance)) / in_truth
    precision = np.count_nonzero(predicted_edge & _dilated(true_edge, tolerance)) / in_prediction
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns in use, with one more on every side where the picture has it.

    A boundary reaches one pixel up and left of its mask, and a row or column of background below and right of it keeps
    the rules of the picture's own border away.
    """
    spans = []
    for used in (mask.any(axis=1), mask.any(axis=0)):
        [places] = np.nonzero(used)
        spans.append(slice(max(places[0] - 1, 0), places[-1] + 2) if places.size else slice(0, 0))
    return spans[0], spans[1]


def _boundary(mask: np.ndarray) -> np.ndarray:
    """The pixels [H, W] that differ from their neighbour right, below or both; beyond the border there is none."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def _dilated(edge: np.ndarray, radius: int) -> np.ndarray:
    """Every pixel [H, W] at most `radius` pixels from a pixel of the edge."""
    # Not by scipy's distance transform or dilation: the same pixels, but scoring would take twice as long.
    widened, dilated = edge.copy(), edge.copy()
    width = 0
    for rows in range(radius, -1, -1):
        while width < math.isqrt(radius**2 - rows**2):
            width += 1
            widened[:, width:] |= edge[:, :-width]
            widened[:, :-width] |= edge[:, width:]
        dilated[rows:] |= widened[: -rows or None]
        dilated[: -rows or None] |= widened[rows:]
    return dilated
