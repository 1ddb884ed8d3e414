"""Where candidates of the mask decoder tie, any of them is right, and nothing else is."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tinysam2.core.contract import MASK_DECODER
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import tracked_object
from tinysam2.validation.parity.check import ParityCheck
from tinysam2.validation.parity.ties import TIED, near_answers

APART = 2 * TIED


class Scoring(nn.Module):
    """Predicts the same IoUs on every frame."""

    def __init__(self, ious: tuple[float, ...]) -> None:
        super().__init__()
        self.logits = torch.logit(torch.tensor([ious]))

    def forward(self, token: torch.Tensor) -> torch.Tensor:
        return self.logits


@pytest.fixture
def scored(nano_model):
    """The float model, with predicted IoUs of the single mask and the three."""

    def make(*ious: float) -> TorchBackend:
        model = copy.deepcopy(nano_model)
        model.mask_decoder.iou_head = Scoring(ious)
        return TorchBackend(model)

    return make


@pytest.fixture
def called(followed):
    """The call of the first object on the last frame, answered by a backend; changed: inputs that are others."""
    [call, *_] = (call for call in followed[-1].calls if call.program == MASK_DECODER)

    def ask(backend: TorchBackend, **changed: np.ndarray):
        inputs = {**call.inputs, **changed}
        asked = replace(call, inputs=inputs, outputs=backend.run(MASK_DECODER, inputs))
        return replace(asked, near=near_answers(asked, backend.programs[MASK_DECODER].module))

    return ask


def same(answer: dict, other: dict) -> bool:
    return all((answer[name] == other[name]).all() for name in other)


def test_of_candidates_that_are_apart_none_else_is_right(scored, called):
    assert called(scored(0.9, 0.5 + APART, 0.5, 0.5 - APART)).near == ()


def test_each_candidate_within_the_tie_is_an_answer(scored, called):
    tied, other = 0.5 - 0.5 * TIED, 0.5 - APART
    first, second = called(scored(0.9, 0.5, other, tied)), called(scored(0.9, tied, other, 0.5))
    assert not same(first.outputs, second.outputs)
    [near] = first.near
    assert all((near[name] == second.outputs[name]).all() for name in near if name != "iou")
    assert near["iou"].item() == pytest.approx(tied, abs=1e-6)
    assert len(called(scored(0.9, 0.5, 0.5, 0.5)).near) == 2


def test_a_stable_mask_of_several_points_has_no_rival(scored, called):
    stable = scored(0.9, 0.5, 0.5, 0.5)
    stable.programs[MASK_DECODER].module.hypernetworks[0] = Large(stable.config.hidden_dim // 8)
    labels = np.ones_like(called(stable).inputs["point_labels"])
    assert called(stable, point_labels=labels).near == ()


class Large(nn.Module):
    """A hypernetwork of one large weight: no logit of its mask lies near 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.functional.one_hot(torch.tensor(0), width) * 1e9

    def forward(self, token: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(*token.shape[:2], -1)


@pytest.fixture
def tied(scored, called):
    """A call whose best two candidates tie."""
    return called(scored(0.9, 0.5, 0.5 - APART, 0.5 - 0.5 * TIED))


def replayed(recalling, scene, call, answer):
    check = ParityCheck(recalling(answer))
    check.begin(scene)
    check.replay(call)
    [program] = check.programs()
    return program


def test_the_other_candidate_is_compared_where_a_runtime_took_it(recalling, scene, tied):
    [near] = tied.near
    took = replayed(recalling, scene, tied, near)
    assert (took.sqnr_db, took.near_ties) == (200, 1)
    agreed = replayed(recalling, scene, tied, tied.outputs)
    assert (agreed.sqnr_db, agreed.near_ties) == (200, 0)


def test_the_other_candidate_is_a_fault_where_there_is_no_tie(recalling, scene, tied):
    [near] = tied.near
    found = replayed(recalling, scene, replace(tied, near=()), near)
    assert found.sqnr_db < 20
    assert found.near_ties == 0


def test_a_tie_excuses_no_third_answer(recalling, scene, tied, scored, called):
    third = called(scored(0.9, 0.5 - APART, 0.5, 0.5 - APART)).outputs
    assert replayed(recalling, scene, tied, third).sqnr_db < 20


def test_a_tracked_mask_may_be_the_other_candidates(nano_backend, followed, scene):
    frame, height, width = followed[0], scene.height, scene.width
    check = ParityCheck(nano_backend)
    check.begin(scene)
    empty = {"mask_logits": np.full((1, 1, 4, 4), -1.0), "iou": np.ones((1, 1)), "object_score": np.ones((1, 1))}
    missing = TrackedFrame(dict.fromkeys(frame.tracked.objects, tracked_object(empty, width, height)), width, height)
    near = {object_id: [answer] for object_id, answer in frame.tracked.objects.items()}
    assert check.follow(frame.picture, frame.prompts, missing, near=near)[1] == 1.0
    check.begin(scene)
    assert check.follow(frame.picture, frame.prompts, missing)[1] == 0.0
