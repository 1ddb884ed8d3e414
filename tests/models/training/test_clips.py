"""A clip is the same whoever asks for it, its object is there to be prompted, and only annotated frames are shown."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tinysam2.core.errors import InputError
from tinysam2.data.other_filters import OTHER_FILTERS
from tinysam2.models.training.clips import LEAST_AREA, TARGET_SCALE, ClipSampler, TrainingClip
from tinysam2.models.training.footage import Footage
from tinysam2.models.training.settings import UNALTERED, Augmentation, PromptMix, Stage

EVERYTHING = Augmentation(warp=1.0, colour=1.0, paste=0.5, occluder=0.5, distractor=0.5, grey=0.5)
MASKS = PromptMix(mask=1.0, box=0.0)


@pytest.fixture
def sampler(small_config, short_run):
    """Makes a sampler over videos; more: of the settings, rank and processes."""

    def make(*videos, rank=0, processes=1, cache_bytes=2**24, **more) -> ClipSampler:
        footage = Footage(videos, round(1.25 * small_config.image_size), cache_bytes)
        return ClipSampler(footage, short_run(**more), small_config, rank, processes)

    return make


@pytest.fixture(scope="session")
def two_videos(moving_video):
    return moving_video(0, size=(80, 48)), moving_video(1, frames=5)


def numbered(video):
    """The video with each frame in one grey, ten times its index."""
    shades = 10 * np.arange(len(video), dtype=np.uint8)[:, None, None, None]
    return replace(video, frames=np.broadcast_to(shades, video.frames.shape))


def shown_frames(clips: TrainingClip) -> list[list[int]]:
    """Of a batch of clips of a numbered video, which frames each shows."""
    return (clips.images.float().mean((2, 3, 4)) / 10).round().int().tolist()


def tensors(part: TrainingClip) -> list[torch.Tensor]:
    return [part.images, part.targets, *part.prompt]


def same(one: TrainingClip, other: TrainingClip) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def test_a_part_is_a_batch_in_the_shapes_that_the_model_takes(sampler, two_videos, small_config):
    [first, second] = sampler(*two_videos, clips=6, frames=3)[0]
    size, mask = small_config.image_size, small_config.mask_size
    for part in (first, second):
        assert (part.images.shape, part.images.dtype) == ((3, 3, 3, size, size), torch.uint8)
        assert part.targets.shape == (3, 3, 1, TARGET_SCALE * mask, TARGET_SCALE * mask)
        assert 0 <= part.targets.min() < part.targets.max() <= 1
        assert [tuple(t.shape) for t in part.prompt] == [(3, 4, 2), (3, 4), (3, 1, mask, mask), (3, 1)]


def test_the_clips_of_a_step_are_the_same_in_whatever_order_they_are_asked_for(sampler, two_videos):
    run = {"augmentation": EVERYTHING, "real": 0.5, "steps": 5}
    forward = sampler(*two_videos, **run)
    in_turn = [forward[step] for step in range(5)]
    backward = sampler(*two_videos, cache_bytes=0, **run)
    for step in (4, 2, 0, 3, 1, 4):
        for one, other in zip(in_turn[step], backward[step], strict=True):
            assert same(one, other)


def test_clips_differ_by_step_number_and_seed(sampler, two_videos):
    run = {"augmentation": EVERYTHING, "real": 0.5}
    first, other_seed = sampler(*two_videos, **run), sampler(*two_videos, seed=1, **run)
    assert not same(first[0][0], first[1][0])
    assert not same(first[0][0], first[0][1])
    assert not same(first[0][0], other_seed[0][0])


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_out_the_parts_of_the_very_same_batch(sampler, two_videos, processes):
    run = {"augmentation": EVERYTHING, "real": 0.5, "clips": 8, "parts": 4}
    whole = sampler(*two_videos, **run)[1]
    shares = [sampler(*two_videos, rank=rank, processes=processes, **run)[1] for rank in range(processes)]
    assert all(len(share) == 4 // processes for share in shares)
    shared_out = [part for share in shares for part in share]
    assert all(any(same(part, other) for other in shared_out) for part in whole)


def test_the_same_clips_are_drawn_in_however_many_parts(sampler, two_videos):
    run = {"augmentation": EVERYTHING, "real": 0.5, "clips": 4}
    drawn = [
        {tuple(clip.flatten().tolist()) for part in sampler(*two_videos, parts=parts, **run)[0] for clip in part.images}
        for parts in (1, 2, 4)
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 4


def test_parts_that_processes_cannot_share_evenly_are_refused(sampler, two_videos):
    with pytest.raises(InputError, match="3 processes cannot share the 2 parts of a batch evenly; let the parts be"):
        sampler(*two_videos, processes=3)


@pytest.mark.parametrize("real", [0.0, 1.0])
def test_the_object_is_on_the_first_frame_whatever_is_done_to_the_clip(sampler, two_videos, real):
    clips = sampler(*two_videos, augmentation=EVERYTHING, real=real, prompts=MASKS)
    for step in range(4):
        for part in clips[step]:
            assert (part.targets[:, 0].mean((1, 2, 3)) >= LEAST_AREA).all()
            share = F.avg_pool2d(part.targets[:, 0], TARGET_SCALE)
            torch.testing.assert_close(part.prompt.mask_prompt, share, atol=1e-4, rtol=0)


def test_objects_that_are_too_small_to_learn_are_refused(sampler, moving_video):
    speck = moving_video(frames=3)
    speck.masks[:] = 0
    speck.masks[:, 20, 20] = 1
    with pytest.raises(InputError, match=r"no object covered 0\.15% of a first frame in 20 draws; the sequences' obj"):
        sampler(speck)[0]


@pytest.mark.parametrize("objects", [{}, {1: 8}])
def test_a_video_without_an_object_is_refused_by_name(sampler, moving_video, objects):
    with pytest.raises(InputError, match="sequence disc3 has no object to train on; its masks must mark at least one"):
        sampler(moving_video(), moving_video(3, objects=objects))


def test_without_augmentation_a_clip_is_the_videos_own_frames(sampler, moving_video, small_config):
    video = moving_video(radius=0.3)
    frames = [torch.from_numpy(frame).permute(2, 0, 1).float() for frame in video.frames]
    for part in sampler(video, prompts=MASKS)[0]:
        for image, target in zip(part.images.flatten(0, 1), part.targets.flatten(0, 1), strict=True):
            errors = [float((image.float() - frame).abs().mean()) for frame in frames]
            index = int(np.argmin(errors))
            assert errors[index] < 4
            mask = torch.from_numpy(video.masks[index]).float()[None, None]
            wanted = F.adaptive_avg_pool2d(mask, target.shape[-1])[0]
            assert (target - wanted).abs().mean() < 0.02


def test_a_clip_runs_forward_or_backward_in_even_strides(sampler, moving_video):
    clips = sampler(numbered(moving_video(frames=24)), frames=4, clips=8)
    shown = [clip for step in range(4) for part in clips[step] for clip in shown_frames(part)]
    strides = {tuple(np.diff(clip)) for clip in shown if 9 <= clip[0] <= 14}
    assert {(1, 1, 1), (-1, -1, -1)} <= strides <= {(s, s, s) for s in (-3, -2, -1, 1, 2, 3)}


def test_a_clip_turns_around_where_the_video_ends(sampler, moving_video):
    clips = sampler(numbered(moving_video(frames=3)), frames=6, clips=4)
    for part in clips[0]:
        for clip in shown_frames(part):
            assert set(clip) <= {0, 1, 2}
            assert all(a != b for a, b in itertools.pairwise(clip))


def test_a_clip_does_not_begin_before_its_object_does(sampler, moving_video):
    late = numbered(moving_video(objects={1: 5}))
    late.masks[:5] = 0
    for part in sampler(late, clips=8)[0]:
        assert all(index >= 5 for clip in shown_frames(part) for index in clip)


def test_frames_without_annotation_are_not_shown(sampler, moving_video):
    every_third = frozenset(index for index in range(14) if index % 3)
    sparse = numbered(moving_video(frames=14, unannotated=every_third))
    clips = sampler(sparse, frames=4, clips=8)
    for step in range(3):
        for part in clips[step]:
            assert (part.targets.mean((2, 3, 4)) > LEAST_AREA).all()
            for clip in shown_frames(part):
                assert set(clip) <= {0, 3, 6, 9, 12}
                assert all(a != b for a, b in itertools.pairwise(clip))


def test_few_annotated_frames_are_enough(sampler, moving_video):
    sparse = moving_video(frames=41, unannotated=frozenset(index for index in range(41) if index % 20))
    clips = sampler(sparse, clips=8)
    for step in range(3):
        for part in clips[step]:
            assert (part.targets.mean((2, 3, 4)) > LEAST_AREA).all()


def test_a_clip_begins_where_its_object_is_seen_even_if_it_comes_and_goes(sampler, moving_video):
    video = moving_video(frames=24)
    video.masks[np.arange(24) % 4 > 1] = 0
    parts = [part for step in range(3) for part in sampler(video, clips=8)[step]]
    assert all((part.targets[:, 0].mean((1, 2, 3)) >= LEAST_AREA).all() for part in parts)
    assert any((part.targets[:, 1:].amax((2, 3, 4)) == 0).any() for part in parts)


@pytest.mark.parametrize("paste", [0.0, 1.0])
def test_an_image_is_set_in_motion_where_video_is_not_wanted(sampler, moving_video, paste):
    still = moving_video(frames=1)
    augmentation = Augmentation(warp=0.0, colour=0.0, paste=paste, occluder=0.0, distractor=0.0, grey=0.0)
    for part in sampler(still, real=0.0, augmentation=augmentation)[0]:
        assert (part.targets[:, 1:] - part.targets[:, :-1]).abs().amax((2, 3, 4)).min() > 0.1
        assert (part.images[:, 1:] != part.images[:, :-1]).flatten(2).any(2).all()


@pytest.fixture
def plain_and_altered(small_config, short_run, moving_video):
    """Makes the same clip without and with one alteration."""

    def make(seed: int, **altered) -> tuple[TrainingClip, TrainingClip]:
        footage = Footage((moving_video(radius=0.35),), round(1.25 * small_config.image_size))
        plain = short_run(prompts=MASKS)
        settings = (plain, replace(plain, augmentation=replace(plain.augmentation, **altered)))
        made = (ClipSampler(footage, each, small_config) for each in settings)
        return tuple(sampler.clip(Stage(1.0, 4, 1.0), np.random.default_rng(seed)) for sampler in made)

    return make


def test_a_distractor_passes_behind_the_object(plain_and_altered):
    seen = 0
    for seed in range(6):
        plain, altered = plain_and_altered(seed, distractor=1.0)
        assert torch.equal(plain.targets, altered.targets)
        # The object's very edge is blended with what lies behind it.
        within = -F.max_pool2d(-plain.targets, 3, stride=1, padding=1)
        inside = F.interpolate(within, scale_factor=2, mode="nearest")[:, 0] == 1
        differs = (plain.images != altered.images).any(1)
        assert not differs[inside].any()
        seen += bool(differs.any())
    assert seen >= 3


def test_an_occluder_takes_from_the_object_and_never_adds_to_it(plain_and_altered):
    hidden = 0
    for seed in range(6):
        plain, altered = plain_and_altered(seed, occluder=1.0)
        assert (altered.targets <= plain.targets + 1e-4).all()
        hidden += bool((altered.targets < plain.targets - 0.5).any())
    assert hidden >= 3


@pytest.mark.parametrize("altered", [{"colour": 1.0}, {"grey": 1.0}])
def test_colours_change_the_picture_and_not_the_mask(plain_and_altered, altered):
    plain, changed = plain_and_altered(0, **altered)
    assert torch.equal(plain.targets, changed.targets)
    assert not torch.equal(plain.images, changed.images)


def test_a_random_shape_takes_the_place_of_an_object_that_is_cut_out(sampler, moving_video):
    def pasted(blob: float) -> list[torch.Tensor]:
        """What the masks of a clip whose picture is all object cut out of it."""
        augmentation = Augmentation(0.0, 0.0, paste=1.0, occluder=0.0, distractor=0.0, bend=0.0, blob=blob)
        video = moving_video(radius=2.0)
        parts = sampler(video, real=0.0, clips=6, augmentation=augmentation, prompts=MASKS)[0]
        return [part.targets[:, 0] for part in parts]

    def is_convex(mask: torch.Tensor) -> bool:
        """Whether every row of a mask is marked without a gap, as the rows of a turned square are."""
        return all((row[1:] != row[:-1]).sum() <= 2 for row in mask[0] > 0.5)

    assert all(is_convex(mask) for masks in pasted(0.0) for mask in masks)
    assert not all(is_convex(mask) for masks in pasted(1.0) for mask in masks)


@pytest.fixture
def filters(monkeypatch):
    """What each picture of any footage was resized by, in turn."""
    asked: list[str] = []
    picture = Footage.picture

    def asking(self, video, index, how="contract"):
        asked.append(how)
        return picture(self, video, index, how)

    monkeypatch.setattr(Footage, "picture", asking)
    return asked


def test_new_runs_resize_by_several_filters_and_unaltered_clips_by_the_contract_alone(sampler, two_videos, filters):
    settings = Augmentation()
    assert settings.resize == 0.5
    assert UNALTERED.resize == 0.0
    sampler(*two_videos, augmentation=UNALTERED, steps=2)[1]
    assert set(filters) == {"contract"}
    drawn = sampler(*two_videos, augmentation=settings, steps=12)
    for step in range(12):
        drawn[step]
    assert set(filters) == {"contract", *OTHER_FILTERS}


def test_a_clip_has_one_filter_for_all_its_frames(sampler, two_videos, filters):
    clips = sampler(*two_videos, augmentation=replace(UNALTERED, resize=1.0))
    for seed in range(6):
        filters.clear()
        clips.clip(clips.settings.stage(0), np.random.default_rng(seed))
        assert len(set(filters)) == 1
        assert filters[0] != "contract"


def test_the_share_of_filters_leaves_everything_else_of_a_clip_as_it_was(sampler, two_videos):
    plain, other = (sampler(*two_videos, augmentation=replace(EVERYTHING, resize=share)) for share in (0.0, 1.0))
    one, two = (clips.clip(clips.settings.stage(0), np.random.default_rng(3)) for clips in (plain, other))
    assert torch.equal(one.targets, two.targets)
    assert not torch.equal(one.images, two.images)
