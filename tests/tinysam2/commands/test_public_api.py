"""The public API: few names, each imported when it is asked for, enough to track a clip in a few lines."""

import pytest

import tinysam2


@pytest.mark.parametrize("name", tinysam2.__all__)
def test_every_public_name_is_there(name):
    assert callable(getattr(tinysam2, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = tinysam2.colour


def test_a_clip_is_tracked_in_a_few_lines(clip):
    model = tinysam2.load_model(tinysam2.preset("nano")).model
    tracker = tinysam2.Tracker(tinysam2.TorchBackend(model))
    prompts = {1: tinysam2.Prompt(points=(tinysam2.Point(40, 30),), box=tinysam2.Box(10, 10, 60, 50))}
    for frame in tinysam2.open_clip(clip):
        tracked = tracker.track(frame, prompts)
        prompts = {}
        assert tracked.ids.shape == frame.shape[:2]
