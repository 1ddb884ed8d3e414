"""What each toolchain really writes, read back and held to the model."""

import pytest

from models.targets import TARGETS
from validation.integers.checks import check_integers

LAYERS = ["conv", "depthwise", "pointwise", "linear", "square"]
MACS = {
    "conv": 64 * 16 * 27,
    "depthwise": 64 * 16 * 9,
    "pointwise": 64 * 12 * 16,
    "linear": 64 * 20 * 12,
    "square": 64 * 20 * 20,
}
ATTENTION = 2 * 64 * 64 * 20

pytestmark = pytest.mark.parametrize("target", TARGETS)


def test_every_integer_scale_and_zero_point_is_the_models(target, tiny, converted, read):
    report = check_integers(tiny.layers(), read(target, converted(tiny.model, target)))
    assert {verdict.name: verdict.faults for verdict in report.verdicts} == {
        name: {} for name in ("weights", "scales", "zero points", "recipe", "snapped", "axis")
    }
    assert report.passed


def test_macs_are_counted_by_number_type(target, tiny, converted, read):
    report = check_integers(tiny.layers(), read(target, converted(tiny.model, target)))
    share = report.shares["image_encoder"]
    assert (share.int8, share.total) == (sum(MACS.values()), sum(MACS.values()) + ATTENTION)
