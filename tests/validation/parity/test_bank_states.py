"""Every state of the memory bank is met, by the clip or by a call that is made for it."""

from dataclasses import replace

import numpy as np
import pytest

from tinysam2.core.config import BankConfig, ModelConfig, RepViTConfig
from tinysam2.core.contract import MEMORY_ENCODER
from tinysam2.data.prompts import prompts_of_mask
from tinysam2.data.sample_clip import render_sample_clip
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.weights.checkpoint import seeded_model
from tinysam2.validation.parity.bank_states import (
    BANK_STATES,
    CHANGES,
    StateCalls,
    possible_states,
    states_of,
    synthetic_call,
)
from tinysam2.validation.parity.check import ParityCheck
from tinysam2.validation.parity.recording import Call, RecordingBackend
from tinysam2.validation.parity.scenes import sample_scene, scene_of_clip
from tinysam2.validation.validate import follow_scene

TINY = ModelConfig(
    "tiny", 64, RepViTConfig((8, 8, 16, 16), (1, 1, 1, 1)), 32, 8, 1, 32, 1, 2, 32, 16, 1, 1,
    BankConfig(slots=3, pointers=3, tokens_per_frame=2, quality_threshold=0.05),
)  # fmt: skip


@pytest.fixture(scope="module")
def backend():
    from tinysam2.mobile_runtime.torch_backend import TorchBackend

    return TorchBackend(seeded_model(TINY))


def call(before: list[float], after: list[float], prompted: float = 0.0) -> Call:
    inputs = {"slot_age": np.array([before]), "is_prompted": np.array([[prompted]])}
    return Call(MEMORY_ENCODER, inputs, {"next_slot_age": np.array([after])})


@pytest.mark.parametrize(
    ("made", "states"),
    [
        (call([-1, -1, -1], [0, -1, -1], 1), {"empty"}),
        (call([-1, -1, -1], [-1, -1, -1]), {"empty", "occluded"}),
        (call([0, -1, -1], [1, 0, -1]), {"filling"}),
        (call([3, 1, -1], [4, 2, -1]), {"filling", "occluded"}),
        (call([3, 1, 0], [4, 0, 1]), {"full", "evicting"}),
        (call([3, 1, 0], [4, 2, 1]), {"full", "occluded"}),
        (call([3, 1, 0], [0, 2, 1], 1), {"full", "prompted again"}),
        (call([3, -1, -1], [0, -1, -1], 1), {"filling", "prompted again"}),
    ],
)
def test_a_call_is_in_the_states_that_its_ages_tell(made, states):
    assert set(states_of(made)) == states
    assert set(states_of(made, objects=2)) == states | {"two objects"}


def test_the_sample_clip_and_what_is_made_of_it_cover_every_state(backend):
    checks = {"torch": ParityCheck(backend)}
    scene = sample_scene()
    told = follow_scene(scene, scene.read_frames(), backend, checks)

    assert set(told.states) == set(BANK_STATES)
    assert [name for name, calls in told.states.items() if not calls.met] == []
    [clip] = checks["torch"].chain().clips
    assert clip.sqnr_by_state == dict.fromkeys(BANK_STATES, 200)
    assert told.states["two objects"].calls == 2 * told.frames == 80
    assert told.states["prompted again"].calls > 0


def test_made_calls_are_replayed_beside_the_clips_and_not_tracked(backend, as_clip):
    clip = render_sample_clip(2, (64, 48))
    scene = scene_of_clip(as_clip(clip), _first_prompt(clip))
    check = ParityCheck(backend)
    told = follow_scene(scene, scene.read_frames(), backend, {"torch": check})

    assert {name for name, calls in told.states.items() if calls.made} >= set(CHANGES)
    calls = {program.program: program.calls for program in check.programs()}
    assert calls[MEMORY_ENCODER] == 2 + len(CHANGES)
    assert len(check.chain().clips[0].iou_by_frame) == 2
    assert {name for name, calls in told.states.items() if not calls.met} == {"full", "evicting", "two objects"}


@pytest.mark.parametrize("state", CHANGES)
def test_a_call_is_put_into_a_state_even_after_a_clip_of_one_frame(backend, as_clip, state):
    clip = render_sample_clip(1, (64, 48))
    scene = scene_of_clip(as_clip(clip), _first_prompt(clip))
    told = follow_scene(scene, scene.read_frames(), backend, {})
    assert told.states[state] == StateCalls(made=1)


def test_a_made_call_starts_from_the_bank_that_the_recorded_one_left(backend):
    clip = render_sample_clip(1, (64, 48))
    recorded = _recorded(backend, clip)
    made = synthetic_call("occluded", recorded, backend)
    assert np.array_equal(made.inputs["memory_tokens"], recorded.outputs["next_memory_tokens"])
    assert np.array_equal(made.outputs["next_memory_tokens"], recorded.outputs["next_memory_tokens"])
    assert made.outputs["next_slot_age"][0, 0] == 1


def test_a_bank_that_leaves_no_frame_out_knows_no_occlusion():
    dense = replace(TINY.bank, quality_management=False)
    for bank in (dense, replace(TINY.bank, quality_threshold=0.0)):
        assert set(BANK_STATES) - set(possible_states(bank)) == {"occluded"}


def _first_prompt(clip):
    return prompts_of_mask(clip.masks[0])


def _recorded(backend, clip) -> Call:
    recorder = RecordingBackend(backend)
    Tracker(recorder).track(clip.frames[0], _first_prompt(clip))
    return recorder.take()[-1]
