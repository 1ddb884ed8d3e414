"""Charts stand for their numbers: lengths in proportion, limits where they are, no dip lost."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinysam2.validation.reporting import charts


def parts(svg: str) -> list[tuple[float, float, str]]:
    """Left end, width and fill of each part of a bar, in percent."""
    rects = ElementTree.fromstring(svg).iter("rect")
    return [(float(r.get("x")[:-1]), float(r.get("width")[:-1]), r.get("fill")) for r in rects]


def points(svg: str) -> list[tuple[float, float]]:
    [line] = ElementTree.fromstring(svg).iter("polyline")
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_a_bar_is_as_long_as_its_value_and_marks_its_limit():
    svg = charts.bar(30, 120, "hatch", limit=60)
    assert parts(svg) == [(0, 25, "url(#fill-hatch)")]
    [limit] = [line for line in ElementTree.fromstring(svg).iter("line") if line.get("class") == "limit"]
    assert limit.get("x1") == limit.get("x2") == "50.0%"


def test_parts_of_a_stack_follow_each_other():
    stack = charts.stacked_bar([(1, "solid"), (2, "dots"), (5, "rows")], 16)
    assert [(left, width) for left, width, _ in parts(stack)] == [(0, 6.25), (6.25, 12.5), (18.75, 31.25)]
    assert "line" not in stack


@pytest.mark.parametrize(("value", "width"), [(-20, 0), (500, 100)])
def test_a_value_beyond_the_axis_stays_within_the_bar(value, width):
    assert parts(charts.bar(value, 120, "solid")) == [(0, width, "url(#fill-solid)")]


def test_a_line_runs_from_the_first_frame_to_the_last_with_high_values_on_top():
    assert points(charts.line([1.0, 0.5, 0.75], 0.5, 1.0)) == [(0, 0), (50, 100), (100, 50)]


def test_one_frame_is_a_line_too():
    assert points(charts.line([1.0], 0.5, 1.0)) == [(0, 0), (100, 0)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3000))
def test_thinning_keeps_the_least_value_and_the_order(values):
    thin = charts.thinned(values)
    assert min(thin) == min(values)
    assert len(thin) == min(len(values), charts.MOST_POINTS)
    rest = iter(values)
    assert all(value in rest for value in thin)


def test_every_pattern_that_charts_use_is_defined_on_the_page():
    from importlib.resources import files

    macros = (files("tinysam2.validation.reporting") / "templates/macros.html.j2").read_text()
    assert set(re.findall(r'id="fill-(\w+)"', macros)) == set(charts.PATTERNS)
