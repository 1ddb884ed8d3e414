"""The losses are what their formulas say by hand, judge what they should and move nothing else."""

import math

import pytest
import torch

from tinysam2.models.network.mask_decoder import MaskCandidates
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.training.losses import ClipLoss, frame_terms, hard_iou, mean_terms
from tinysam2.models.training.settings import LossWeights

SIDE = 4
"""Side of the mask logits; targets are twice as fine."""
BEST_ALONE = LossWeights(all_masks=0.0)
CLICK, CLICKS, BOX, NOTHING = [1, -1, -1, -1], [1, 0, -1, -1], [2, 3, -1, -1], [-1] * 4


def candidates(*logits: float, ious=(0.5, 0.5, 0.5, 0.5), score: float = 0.0) -> MaskCandidates:
    """Four masks of one frame, each of one logit everywhere, or as they are given."""
    masks = torch.stack([torch.as_tensor(logit, dtype=torch.float32).expand(SIDE, SIDE) for logit in logits])[None]
    return MaskCandidates(masks, torch.tensor([ious]), torch.zeros(1, 4, 8), torch.tensor([[float(score)]]))


def asked(labels: list[int], has_mask: float = 0.0) -> FramePrompt:
    coords, mask = torch.zeros(1, 4, 2), torch.zeros(1, 1, SIDE, SIDE)
    return FramePrompt(coords, torch.tensor([labels], dtype=torch.float32), mask, torch.tensor([[has_mask]]))


def covering(share: float) -> torch.Tensor:
    """A target of which the left share is the object."""
    target = torch.zeros(1, 1, 2 * SIDE, 2 * SIDE)
    target[..., : round(share * 2 * SIDE)] = 1
    return target


def focal(logit: float, share: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    alpha = LossWeights().focal_alpha
    return -share * alpha * (1 - p) ** 2 * math.log(p) - (1 - share) * (1 - alpha) * p**2 * math.log(1 - p)


def dice(logit: float, share: float) -> float:
    p, cells = 1 / (1 + math.exp(-logit)), (2 * SIDE) ** 2
    return 1 - (2 * p * share * cells + 1) / (p * cells + share * cells + 1)


def terms_of(found, share: float, prompt, weights=BEST_ALONE) -> dict[str, float]:
    return {name: float(term) for name, term in frame_terms(found, covering(share), prompt, weights).items()}


@pytest.mark.parametrize("labels", [BOX, CLICKS])
@pytest.mark.parametrize(("logit", "share"), [(0.3, 0.25), (-1.5, 0.5), (2.0, 1.0)])
def test_with_more_than_one_point_the_single_mask_is_judged(labels, logit, share):
    terms = terms_of(candidates(logit, 9, 9, 9, ious=(0.7, 0, 0, 0)), share, asked(labels))
    assert terms["focal"] == pytest.approx(focal(logit, share), rel=1e-4)
    assert terms["dice"] == pytest.approx(dice(logit, share), rel=1e-4)
    iou = share if logit > 0 else 0.0
    assert terms["iou"] == pytest.approx(abs(0.7 - iou), rel=1e-4)


@pytest.mark.parametrize("labels", [CLICK, NOTHING])
@pytest.mark.parametrize(("logits", "best"), [((3, 2, 0.5, -1), 2), ((3, -1, 2, 0.5), -1), ((0.1, 0.5, -1, 2), 2)])
def test_with_at_most_one_point_the_best_of_three_is_judged(labels, logits, best):
    terms = terms_of(candidates(*logits), 1.0 if best > 0 else 0.25, asked(labels))
    share = 1.0 if best > 0 else 0.25
    assert terms["focal"] == pytest.approx(focal(best, share), rel=1e-4)
    assert terms["dice"] == pytest.approx(dice(best, share), rel=1e-4)


def test_the_other_masks_of_an_ambiguous_prompt_count_by_their_share():
    logits, share = (9.0, 2.0, 0.5, -1.0), 1.0
    terms = terms_of(candidates(*logits), share, asked(CLICK), LossWeights(all_masks=0.3))
    mean = sum(focal(logit, share) for logit in logits[1:]) / 3
    assert terms["focal"] == pytest.approx(0.7 * focal(2.0, share) + 0.3 * mean, rel=1e-4)


def test_all_three_predicted_ious_of_an_ambiguous_prompt_are_judged():
    terms = terms_of(candidates(9, 2, 0.5, -1, ious=(0.0, 0.9, 0.6, 0.3)), 0.5, asked(CLICK))
    assert terms["iou"] == pytest.approx((0.4 + 0.1 + 0.3) / 3, rel=1e-4)


def test_which_mask_is_best_depends_on_focal_and_dice_as_they_are_weighted():
    # A timid mask has the better focal loss, a bold one the better dice.
    timid, bold, share = -1.0, 0.2, 0.125
    assert focal(timid, share) < focal(bold, share)
    assert dice(timid, share) > dice(bold, share)
    found = candidates(0, timid, bold, -6)
    by_focal = LossWeights(focal=1, dice=0, all_masks=0)
    by_dice = LossWeights(focal=0, dice=1, all_masks=0)
    assert terms_of(found, share, asked(CLICK), by_focal)["focal"] == pytest.approx(focal(timid, share), rel=1e-4)
    assert terms_of(found, share, asked(CLICK), by_dice)["focal"] == pytest.approx(focal(bold, share), rel=1e-4)


@pytest.mark.parametrize("labels", [CLICK, BOX, NOTHING])
def test_an_absent_object_is_judged_by_its_score_alone(labels):
    terms = terms_of(candidates(2, 2, 2, 2, score=1.5), 0.0, asked(labels))
    assert terms == {"focal": 0, "dice": 0, "iou": 0, "object_score": pytest.approx(math.log1p(math.exp(1.5)))}


def test_the_score_of_an_object_that_is_there_should_be_high():
    terms = terms_of(candidates(2, 2, 2, 2, score=1.5), 0.25, asked(BOX))
    assert terms["object_score"] == pytest.approx(math.log1p(math.exp(-1.5)))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_frame_whose_mask_was_given_counts_nothing(share):
    terms = terms_of(candidates(2, 2, 2, 2, score=1.5), share, asked(NOTHING, has_mask=1.0))
    assert set(terms.values()) == {0.0}


@pytest.mark.parametrize("labels", [CLICK, BOX])
def test_a_perfect_answer_costs_almost_nothing(labels):
    half = torch.full((SIDE, SIDE), -1000.0)
    half[:, : SIDE // 2] = 1000.0
    found = candidates(half, half, half, half, ious=(1.0,) * 4, score=30.0)
    terms = frame_terms(found, covering(0.5), asked(labels), LossWeights())
    assert all(float(term) < 1e-4 for term in terms.values())


def test_each_clip_of_a_batch_is_judged_by_itself():
    singles = [
        (candidates(0.5, 1, 2, 3, score=1), covering(0.25), asked(CLICK)),
        (candidates(-1, 2, 0, 1, score=-1), covering(0.0), asked(BOX)),
        (candidates(-1, 2, 0, 1, score=-1), covering(0.5), asked(BOX)),
    ]
    found, targets, prompts = zip(*singles, strict=True)
    together = frame_terms(
        MaskCandidates(*(torch.cat(tensors) for tensors in zip(*found, strict=True))),
        torch.cat(targets),
        FramePrompt(*(torch.cat(tensors) for tensors in zip(*prompts, strict=True))),
        LossWeights(),
    )
    for name, term in together.items():
        alone = torch.cat([frame_terms(*single, LossWeights())[name] for single in singles])
        torch.testing.assert_close(term, alone)


def gradients(labels: list[int], term: str, share: float = 0.5, weights=BEST_ALONE) -> list[torch.Tensor]:
    """Of one term, by masks, ious and object score: which values it moves."""
    found = candidates(0.5, 1.0, -2.0, 3.0, score=0.2)
    leaves = [found.masks.requires_grad_(), found.ious.requires_grad_(), found.object_score.requires_grad_()]
    loss = frame_terms(found, covering(share), asked(labels), weights)[term].sum()
    moved = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [torch.zeros(1) if grad is None else grad for grad in moved]


@pytest.mark.parametrize("term", ["focal", "dice"])
@pytest.mark.parametrize(("labels", "judged"), [(BOX, {0}), (CLICK, {2})])
def test_mask_losses_move_the_judged_mask_alone(term, labels, judged):
    masks, ious, score = gradients(labels, term, share=0.125)
    assert {i for i in range(4) if masks[0, i].any()} == judged
    assert not ious.any()
    assert not score.any()


def test_all_three_masks_of_an_ambiguous_prompt_learn_where_they_are_to():
    masks, *_ = gradients(CLICK, "focal", weights=LossWeights(all_masks=0.3))
    assert [bool(masks[0, i].any()) for i in range(4)] == [False, True, True, True]


@pytest.mark.parametrize(("labels", "judged"), [(BOX, [True, False, False, False]), (CLICK, [False, True, True, True])])
def test_the_iou_loss_moves_predicted_ious_alone(labels, judged):
    masks, ious, score = gradients(labels, "iou", share=0.25)
    assert ious[0].bool().tolist() == judged
    assert not masks.any()
    assert not score.any()


def test_the_score_loss_moves_the_score_alone():
    masks, ious, score = gradients(BOX, "object_score")
    assert score.any()
    assert not masks.any()
    assert not ious.any()


def test_nothing_of_an_absent_objects_masks_is_learned():
    for term in ("focal", "dice", "iou"):
        assert not any(grad.any() for grad in gradients(CLICK, term, share=0.0, weights=LossWeights()))


def test_the_iou_of_a_chosen_mask_is_that_of_what_lies_above_zero():
    logits = torch.full((3, 1, SIDE, SIDE), -5.0)
    logits[0, ..., :2] = 5.0
    logits[1] = 5.0
    target = torch.cat([covering(0.5), covering(0.25), covering(0.5)])
    assert hard_iou(logits, target).tolist() == [1.0, 0.25, 0.0]


def test_two_empty_masks_agree():
    assert hard_iou(torch.full((1, 1, SIDE, SIDE), -1.0), covering(0.0)).tolist() == [1.0]


def test_terms_are_means_over_frames_and_clips():
    frames = [{"focal": torch.tensor([1.0, 2.0])}, {"focal": torch.tensor([3.0, 6.0])}]
    assert mean_terms(iter(frames)) == {"focal": torch.tensor(3.0)}


def test_the_total_is_the_weighted_sum_and_j_is_no_part_of_it():
    terms = {"focal": 1.0, "dice": 2.0, "iou": 3.0, "object_score": 4.0, "j": 7.0}
    terms |= {"features": 5.0, "memories": 8.0, "logits": 6.0}
    loss = ClipLoss(**{name: torch.tensor(value) for name, value in terms.items()})
    weights = LossWeights(focal=20, dice=1, iou=0.5, object_score=2, features=0.1, memories=0.25, logits=3)
    assert float(loss.total(weights)) == pytest.approx(20 + 2 + 1.5 + 8 + 0.5 + 2 + 18)
    assert loss.figures() == terms


def test_without_a_teacher_its_terms_are_nothing():
    one = torch.tensor(1.0)
    figures = ClipLoss(one, one, one, one, one).figures()
    assert [figures[name] for name in ("features", "memories", "logits")] == [0, 0, 0]
