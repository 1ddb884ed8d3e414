"""LiteRT's converter rounds what is concatenated with an int8 tensor, of which no layer knows."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tinysam2.validation.integers.checks import check_integers


@pytest.fixture(scope="module")
def joined(tiny):
    """The model, its keys joined by a float copy of themselves that is scaled, as rotated keys are."""
    model = copy.deepcopy(tiny.model)
    former = type(model.image_encoder)

    class Joined(former):
        def forward(self, image):
            x = self.pointwise(F.gelu(self.depthwise(F.gelu(self.conv(image)))))
            tokens = self.square(self.linear(x.flatten(2).transpose(1, 2)))
            keys = torch.cat([tokens * 1.5, tokens], dim=1)
            return (torch.softmax(tokens @ keys.transpose(1, 2), -1) @ keys,)

    model.image_encoder.__class__ = Joined
    return model


def test_a_rounding_that_no_layer_asked_for_is_told(tiny, joined, converted, read):
    report = check_integers(tiny.layers(), read("tflite", converted(joined, "tflite")))
    failed = {verdict.name: verdict.faults for verdict in report.verdicts if not verdict.passed}
    assert list(failed) == ["recipe"]
    assert set(failed["recipe"].values()) == {"it rounds an activation that no layer takes so"}
    assert all(where.startswith("image_encoder: operator ") for where in failed["recipe"])


def test_the_same_without_a_concatenation_has_none(tiny, converted, read):
    assert not read("tflite", converted(tiny.model, "tflite")).standalone_roundings
