"""What each layer costs is measured on tracked masks, one quantized layer at a time."""

import pytest

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.quantization.conversion import quantization_aware
from tinysam2.models.quantization.layers import QuantizedLayer
from tinysam2.models.quantization.recipe import Recipe, Rule
from tinysam2.models.training.sensitivity import layer_costs
from tinysam2.scoring.metrics import MAX_SQNR_DB


@pytest.fixture
def variant(small_model):
    """The small model with int8 weights in three layers."""
    return quantization_aware(small_model, Recipe((Rule("mask_decoder", "pointer.*", "w8"),))).eval()


def new_tracker(model):
    return Tracker(TorchBackend(model))


def active(model) -> list[bool]:
    return [module.active for module in model.modules() if isinstance(module, QuantizedLayer)]


def test_each_layer_is_quantized_alone(variant, moving_video):
    seen = []

    def watched(model):
        seen.append(active(model))
        return new_tracker(model)

    layer_costs(variant, [moving_video(frames=3)], watched)
    assert seen == [[False] * 3, [True, False, False], [False, True, False], [False, False, True]]
    assert active(variant) == [True] * 3


def test_an_error_on_the_prompted_frame_counts_with_what_it_leads_to(variant, moving_video):
    # The pointer of the first frame is remembered, and moves the mask of the second.
    costs = layer_costs(variant, [moving_video(frames=2)], new_tracker)
    assert [cost.layer for cost in costs] != []
    assert all(0 < cost.sqnr_db < MAX_SQNR_DB for cost in costs)
    assert all(0 <= cost.mask_iou <= 1 for cost in costs)


def test_a_sequence_of_one_frame_has_nothing_to_compare(variant, moving_video):
    with pytest.raises(InputError, match="no object is tracked beyond its first frame"):
        layer_costs(variant, [moving_video(frames=1)], new_tracker)
