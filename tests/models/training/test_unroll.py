"""Unrolled over a clip, the model gives what the tracker gives on video, and other banks share its weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinysam2.core.config import DENSE_BANK
from tinysam2.core.contract import MASK_DECODER
from tinysam2.data.prompts import Box, Point, Prompt
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.training.clips import TrainingClip
from tinysam2.models.training.prompts import no_prompt
from tinysam2.models.training.unroll import unroll, with_bank
from tinysam2.models.weights.checkpoint import seeded_model

FRAMES = 7
"""More than the small model's slots, so that the bank has to choose."""


@pytest.fixture(scope="module")
def videos(moving_video):
    return [moving_video(seed, frames=FRAMES) for seed in (0, 1, 2)]


@pytest.fixture(scope="module")
def prompts(videos):
    return [
        Prompt(mask=videos[0].masks[0]),
        Prompt(points=(Point(22, 25), Point(2, 60, positive=False))),
        Prompt(box=Box(8, 10, 40, 44)),
    ]


@pytest.fixture(scope="module")
def clips(videos, prompts, small_config) -> TrainingClip:
    """The videos and what is said of them, as a batch."""
    said = no_prompt(small_config.mask_size, 3)
    said = FramePrompt(*(tensor.clone() for tensor in said))
    cells = videos[0].masks[0].reshape(small_config.mask_size, 4, small_config.mask_size, 4)
    said.mask_prompt[0, 0], said.has_mask[0] = torch.from_numpy(cells.mean((1, 3))), 1
    for number, points in ((1, [(22, 25, 1), (2, 60, 0)]), (2, [(8, 10, 2), (40, 44, 3)])):
        for place, (x, y, label) in enumerate(points):
            said.point_coords[number, place] = torch.tensor([x, y])
            said.point_labels[number, place] = label
    images = torch.from_numpy(np.stack([video.frames for video in videos])).permute(0, 1, 4, 2, 3)
    side = small_config.mask_size
    return TrainingClip(images, torch.zeros(3, FRAMES, 1, 32, 32), said, torch.zeros(3, FRAMES, 1, side, side))


class RecordingBackend(TorchBackend):
    """Keeps the mask logits of every frame as the mask decoder gave them."""

    def __init__(self, model) -> None:
        super().__init__(model)
        self.logits: list[np.ndarray] = []

    def execute(self, program, inputs):
        outputs = super().execute(program, inputs)
        if program == MASK_DECODER:
            self.logits.append(outputs["mask_logits"])
        return outputs


@pytest.fixture(scope="module")
def tracked(videos, prompts):
    """Makes the mask logits [3, T, 1, n, n] that a model's tracker gives."""

    def make(model) -> torch.Tensor:
        by_video = []
        for video, prompt in zip(videos, prompts, strict=True):
            backend = RecordingBackend(model)
            tracker = Tracker(backend)
            for t in range(FRAMES):
                tracker.track(video.frame(t), {1: prompt} if t == 0 else None)
            by_video.append(np.stack(backend.logits)[:, 0])
        return torch.from_numpy(np.stack(by_video))

    return make


@torch.no_grad()
def unrolled(model, clips: TrainingClip) -> torch.Tensor:
    return torch.stack([frame.mask_logits for frame in unroll(model, clips)], dim=1)


def test_a_batch_of_clips_gets_the_trackers_own_masks(small_model, clips, tracked):
    wanted = tracked(small_model)
    torch.testing.assert_close(unrolled(small_model, clips), wanted, atol=1e-4, rtol=1e-4)
    assert (wanted[:, 1:] - wanted[:, :-1]).abs().amax() > 1e-2


def test_it_does_so_with_dense_memory_too(small_model, small_config, clips, tracked):
    dense = with_bank(small_model, replace(DENSE_BANK, slots=small_config.bank.slots, pointers=4))
    torch.testing.assert_close(unrolled(dense, clips), tracked(dense), atol=1e-4, rtol=1e-4)


def test_only_the_first_frame_is_prompted(small_model, clips):
    with torch.no_grad():
        frames = list(unroll(small_model, clips))
    assert frames[0].prompt is clips.prompt
    for frame in frames[1:]:
        assert not frame.prompt.has_mask.any()
        assert (frame.prompt.point_labels == -1).all()


def test_a_mask_prompt_is_the_first_frames_answer(small_model, clips):
    with torch.no_grad():
        first = next(unroll(small_model, clips))
    assert torch.equal(first.mask_logits[0] > 0, clips.prompt.mask_prompt[0] > 0.5)


def test_a_frame_is_what_the_model_made_of_it(small_model, small_config, clips):
    with torch.no_grad():
        frames = list(unroll(small_model, clips))
        features = small_model.image_encoder(clips.images[:, 2].float())[0]
    assert len(frames) == FRAMES
    side = small_config.mask_size
    assert frames[2].mask_logits.shape == (3, 1, side, side)
    assert frames[2].candidates.masks.shape == (3, 4, side, side)
    torch.testing.assert_close(frames[2].features, features, atol=1e-4, rtol=1e-4)
    memories = [frame.memory for frame in frames]
    assert all(memory.shape == (3, small_config.memory_dim, *features.shape[2:]) for memory in memories[:-1])
    assert memories[-1] is None


def test_later_frames_are_answered_from_the_first_ones_memory(small_model, clips):
    """What is learned of a later frame reaches back to the encoding of the prompted one."""
    images = clips.images.float().requires_grad_()
    *_, last = unroll(small_model, clips._replace(images=images))
    last.candidates.masks.square().sum().backward()
    assert images.grad[:, 0].abs().sum() > 0


@pytest.fixture
def a_model(small_config):
    """A small model that a test may change."""
    return seeded_model(small_config)


@pytest.fixture(scope="module")
def wide_bank(small_config):
    return replace(small_config.bank, tokens_per_frame=4)


def test_another_bank_has_the_very_same_weights(a_model, wide_bank):
    other = with_bank(a_model, wide_bank)
    own = dict(a_model.named_parameters()) | dict(a_model.named_buffers())
    shared = dict(other.named_parameters()) | dict(other.named_buffers())
    own.pop("memory_encoder.bank_update.xy"), shared.pop("memory_encoder.bank_update.xy")
    assert own.keys() == shared.keys()
    for name, tensor in shared.items():
        assert tensor is own[name], name


def test_a_step_on_one_bank_changes_the_model_of_the_other(a_model, wide_bank, clips):
    other = with_bank(a_model, wide_bank)
    before, before_other = unrolled(a_model, clips), unrolled(other, clips)
    optimiser = torch.optim.SGD(other.parameters(), lr=0.01)
    *_, last = unroll(other, clips)
    last.candidates.masks.sigmoid().mean().backward()
    optimiser.step()
    assert not torch.allclose(unrolled(a_model, clips), before)
    assert not torch.allclose(unrolled(other, clips), before_other)


def test_another_bank_holds_other_memories(a_model, wide_bank, clips):
    other = with_bank(a_model, wide_bank)
    assert other.config.memory_tokens == 4 * 4
    own, wide = unrolled(a_model, clips), unrolled(other, clips)
    assert torch.allclose(own[:, :2], wide[:, :2], atol=1e-5)
    assert not torch.allclose(own[:, 3:], wide[:, 3:], atol=1e-5)


@pytest.mark.parametrize("mode", [True, False])
def test_a_model_with_another_bank_is_in_the_same_mode(a_model, wide_bank, mode):
    other = with_bank(a_model.train(mode), wide_bank)
    assert {module.training for module in other.modules()} == {mode}


def test_a_bank_of_other_slots_is_refused(a_model, small_config):
    with pytest.raises(ValueError, match=r"BankConfig\.slots is 3; it must be the model's own, 4"):
        with_bank(a_model, replace(small_config.bank, slots=3))


def test_a_bank_that_does_not_fit_the_model_is_refused(a_model, small_config):
    with pytest.raises(ValueError, match=r"BankConfig\.tokens_per_frame is 5; it must be at most the 4 tokens"):
        with_bank(a_model, replace(small_config.bank, tokens_per_frame=5))
