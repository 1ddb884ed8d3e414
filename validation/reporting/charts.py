"""Charts as inline SVG that stretch with the page and keep their text outside, so that it never shrinks with them.

Every chart reads without colour: fills differ in pattern, limits are dashed lines, and figures stand beside them.
"""

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

PATTERNS = ("solid", "hatch", "dots", "cross", "rows", "empty")
"""Fills in the order in which series take them; the page defines each as an SVG pattern `fill-NAME`."""

MOST_POINTS = 400
"""Of a line: a longer one shows the least of each stretch, so that no dip is lost."""


def share(value: float, end: float) -> float:
    """Where a value stands on an axis from 0 to `end`, in percent, within the axis."""
    return round(100 * min(max(value / end, 0), 1), 3) if end > 0 else 0.0


def bar(value: float, end: float, pattern: str, limit: float | None = None) -> Markup:
    """A bar from 0 to `value` on an axis to `end`, and a dashed line where its limit stands."""
    return stacked_bar([(value, pattern)], end, limit)


def stacked_bar(parts: Sequence[tuple[float, str]], end: float, limit: float | None = None) -> Markup:
    """Parts (value, pattern) one after the other on an axis from 0 to `end`, and a dashed line at their limit."""
    drawn, start = [], 0.0
    for value, pattern in parts:
        place, width = share(start, end), share(value, end)
        drawn.append(
            Markup('<rect class="part" x="{}%" y="3" width="{}%" height="18" fill="url(#fill-{})"/>').format(
                place, width, pattern
            )
        )
        start += value
    if limit is not None:
        place = share(limit, end)
        # Twice, so that the dashes stand out on a patterned bar too.
        at = Markup('x1="{0}%" x2="{0}%" y1="0" y2="24"').format(place)
        drawn.append(Markup('<line class="halo" {0}/><line class="limit" {0}/>').format(at))
    return Markup('<svg class="bar" width="100%" height="24" aria-hidden="true">{}</svg>').format(
        Markup("").join(drawn)
    )


def line(values: Sequence[float], low: float, high: float, limit: float | None = None) -> Markup:
    """Values by frame as a line over its whole width, between `low` and `high`, and a dashed line at the limit."""
    values = thinned(values)
    last = max(len(values) - 1, 1)
    points = " ".join(f"{100 * i / last:.2f},{height(value, low, high):.2f}" for i, value in enumerate(values))
    if len(values) == 1:
        points += f" 100,{height(values[0], low, high):.2f}"
    drawn = Markup('<polyline class="line" points="{}"/>').format(points)
    if limit is not None:
        drawn += Markup('<line class="limit" x1="0" x2="100" y1="{0}" y2="{0}"/>').format(height(limit, low, high))
    return Markup(
        '<svg class="plot" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(drawn)


def height(value: float, low: float, high: float) -> float:
    """Where a value stands below the top of a plot, in percent."""
    return round(100 - share(value - low, high - low), 3)


def thinned(values: Sequence[float]) -> list[float]:
    """At most `MOST_POINTS` values: the least of each of as many equal stretches."""
    count = len(values)
    if count <= MOST_POINTS:
        return list(values)
    edges = [count * i // MOST_POINTS for i in range(MOST_POINTS + 1)]
    return [min(values[start:end]) for start, end in pairwise(edges)]
