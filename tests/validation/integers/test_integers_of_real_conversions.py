"""What each toolchain really writes, read back and held to the model."""

import pytest

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.targets import TARGETS
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.validation.integers.artifact import check_artifact
from tinysam2.validation.integers.checks import check_integers

MACS = {
    "conv": 64 * 16 * 27,
    "depthwise": 64 * 16 * 9,
    "pointwise": 64 * 12 * 16,
    "linear": 64 * 20 * 12,
    "square": 64 * 20 * 20,
}
ATTENTION = 2 * 64 * 64 * 20

pytestmark = [pytest.mark.parametrize("target", TARGETS), pytest.mark.e2e]


def test_every_integer_scale_and_zero_point_is_the_models(target, tiny, converted, read):
    report = check_integers(tiny.layers(), read(target, converted(tiny.model, target)))
    assert {verdict.name: verdict.faults for verdict in report.verdicts} == {
        name: {} for name in ("weights", "scales", "zero points", "recipe", "fp16 scales", "axis")
    }
    assert report.passed


def test_a_cards_files_are_checked_against_the_loaded_model(target, tiny, converted):
    path = converted(tiny.model, target)
    card = ArtifactCard(target, "nano", "int8", "float32", {"image_encoder": path.name}, "tiny", "", True, {})
    loaded = LoadedModel(tiny.model, "tiny", True, "", DEFAULT_RECIPE)
    assert check_artifact(loaded, path.parent, card).passed


def test_macs_are_counted_by_number_type(target, tiny, converted, read):
    report = check_integers(tiny.layers(), read(target, converted(tiny.model, target)))
    share = report.shares["image_encoder"]
    assert (share.int8, share.total) == (sum(MACS.values()), sum(MACS.values()) + ATTENTION)
