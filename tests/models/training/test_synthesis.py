"""Warps move a scene as a camera would, mask and picture alike, and colours stay colours."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinysam2.models.training import synthesis
from tinysam2.models.training.synthesis import (
    MOVING,
    STEADY,
    VIEW,
    Motion,
    bounds,
    coloured,
    greyed,
    over,
    placed,
    random_bend,
    random_blob,
    random_warps,
    warped,
)

SIDE = 48
STILL = Motion(0.0, 0.0, 0.0, 0.0)
SEEDS = st.integers(0, 2**32)
ASPECTS = st.floats(0.4, 2.5)


def a_box(top: int, left: int, height: int, width: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., top : top + height, left : left + width] = 1
    return mask


boxes = st.builds(a_box, st.integers(4, 20), st.integers(4, 20), st.integers(6, 20), st.integers(6, 20))


def test_without_motion_picture_and_mask_stay_as_they_are():
    picture, mask = 255 * torch.rand(1, 3, SIDE, SIDE), a_box(8, 10, 20, 12)
    warps = random_warps(np.random.default_rng(0), 4, STILL, STILL, aspect=1.7, flip=False)
    seen, seen_mask = warped(picture, mask, warps, SIDE)
    torch.testing.assert_close(seen, picture.expand(4, -1, -1, -1), atol=0.01, rtol=0)
    torch.testing.assert_close(seen_mask, mask.expand(4, -1, -1, -1), atol=1e-4, rtol=0)


def test_a_mirrored_clip_is_mirrored_throughout():
    picture, mask = 255 * torch.rand(1, 3, SIDE, SIDE), a_box(8, 10, 20, 12)
    mirrored = 0
    for seed in range(20):
        seen, seen_mask = warped(picture, mask, random_warps(np.random.default_rng(seed), 3, STILL, STILL, 1.0), SIDE)
        flip = not torch.allclose(seen_mask[0], mask[0], atol=1e-3)
        mirrored += flip
        wanted = [t.flip(-1) if flip else t for t in (picture, mask)]
        torch.testing.assert_close(seen, wanted[0].expand_as(seen), atol=0.01, rtol=0)
        torch.testing.assert_close(seen_mask, wanted[1].expand_as(seen_mask), atol=1e-4, rtol=0)
    assert 4 <= mirrored <= 16


@settings(deadline=None, derandomize=True)
@given(SEEDS, ASPECTS)
def test_turning_does_not_shear_a_scene_that_was_stretched_to_a_square(seed, aspect):
    turning = Motion(turn=30.0, zoom=0.0, shear=0.0, shift=0.2)
    warps = random_warps(np.random.default_rng(seed), 5, turning, turning, aspect).numpy()
    stretch = np.diag([aspect, 1.0])
    for linear in warps[:, :, :2]:
        in_the_scene = stretch @ linear @ np.linalg.inv(stretch)
        np.testing.assert_allclose(in_the_scene @ in_the_scene.T, np.eye(2), atol=1e-5)


@settings(deadline=None, derandomize=True)
@given(SEEDS, ASPECTS)
def test_a_clip_is_zoomed_at_most_by_a_factor_of_two(seed, aspect):
    zooming = Motion(turn=5.0, zoom=2.0, shear=0.05, shift=0.0)
    warps = random_warps(np.random.default_rng(seed), 6, zooming, zooming, aspect).numpy()
    sizes = np.sqrt(np.abs(np.linalg.det(warps[:, :, :2])))
    assert ((sizes > 0.49) & (sizes < 2.02)).all()


@settings(deadline=None, derandomize=True)
@given(SEEDS)
def test_motion_begins_after_the_first_frame(seed):
    still, moving = (random_warps(np.random.default_rng(seed), 4, VIEW, step, 1.5) for step in (STILL, MOVING))
    assert torch.equal(still[0], moving[0])
    assert torch.equal(still, still[:1].expand_as(still))
    assert not torch.equal(moving[1], moving[0])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SEEDS, ASPECTS, boxes, st.sampled_from([STEADY, MOVING]))
def test_a_warp_moves_mask_and_picture_together(seed, aspect, mask, step):
    picture = 255 * mask.expand(-1, 3, -1, -1)
    warps = random_warps(np.random.default_rng(seed), 4, VIEW, step, aspect)
    seen, seen_mask = warped(picture, mask, warps, 40)
    assert seen.shape == (4, 3, 40, 40)
    torch.testing.assert_close(seen, 255 * seen_mask.expand(-1, 3, -1, -1), atol=0.05, rtol=0)


def test_outside_the_picture_its_border_goes_on_and_the_mask_ends():
    picture, mask = torch.full((1, 3, SIDE, SIDE), 80.0), torch.ones(1, 1, SIDE, SIDE)
    aside = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    seen, seen_mask = warped(picture, mask, aside, SIDE)
    torch.testing.assert_close(seen, picture)
    assert seen_mask[..., : SIDE // 2 - 1].min() > 0.99
    assert seen_mask[..., SIDE // 2 + 1 :].max() == 0


def test_each_frame_of_a_video_is_warped_by_its_own_warp():
    picture = torch.arange(3.0)[:, None, None, None].expand(3, 3, SIDE, SIDE)
    warps = random_warps(np.random.default_rng(1), 3, VIEW, STEADY, 1.0)
    seen = warped(picture, picture[:, :1], warps, SIDE)[0]
    torch.testing.assert_close(seen.mean((1, 2, 3)), torch.arange(3.0))


@settings(deadline=None, derandomize=True)
@given(SEEDS, ASPECTS, boxes)
def test_a_placed_object_lies_in_the_picture_at_the_wanted_extent(seed, aspect, mask):
    warp = placed(mask, np.random.default_rng(seed), 3, MOVING, aspect)[0].double().numpy()
    rows, columns = mask[0, 0].amax(1).nonzero(), mask[0, 0].amax(0).nonzero()
    centre = np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / SIDE - 1
    lies_at = np.linalg.solve(warp[:, :2], centre - warp[:, 2])
    assert (np.abs(lies_at) <= 0.75 + 1e-4).all()
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    # Turning and slanting keep areas, so the determinant is the change of size alone.
    shown = extent / SIDE / np.sqrt(np.abs(np.linalg.det(warp[:, :2])))
    assert 0.12 - 1e-4 <= shown <= 0.75 + 1e-4


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SEEDS, boxes)
def test_a_placed_object_is_seen_where_it_was_placed(seed, mask):
    warps = placed(mask, np.random.default_rng(seed), 3, STILL, 1.0)
    _, seen = warped(mask.expand(-1, 3, -1, -1), mask, warps, 64)
    assert seen[0].sum() > 0
    assert torch.equal(seen[1], seen[0])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(SEEDS, st.sampled_from([0.0, 3.0, 128.0, 255.0]))
def test_colours_stay_between_black_and_white(seed, brightness):
    picture = (brightness + 60 * torch.rand(3, 3, 16, 16)).clamp(0, 255)
    seen = coloured(np.random.default_rng(seed), picture)
    assert seen.shape == picture.shape
    assert seen.min() >= 0
    assert seen.max() <= 255


def test_a_clip_keeps_one_colouring_with_a_little_flicker():
    picture = torch.full((4, 3, 16, 16), 128.0)
    for seed in range(20):
        means = coloured(np.random.default_rng(seed), picture).mean((2, 3))
        assert (means.amax(0) - means.amin(0)).max() < 40
        assert not torch.equal(means[0], means[1])


def test_a_grey_picture_has_equal_channels_and_its_former_mean():
    picture = 255 * torch.rand(2, 3, 16, 16)
    seen = greyed(picture)
    assert torch.equal(seen[:, 0], seen[:, 2])
    torch.testing.assert_close(seen.mean(), picture.mean())


@pytest.mark.parametrize(("alpha", "wanted"), [(0.0, 10.0), (1.0, 90.0), (0.25, 30.0)])
def test_what_covers_by_a_share_shows_by_that_share(alpha, wanted):
    assert over(torch.tensor(90.0), torch.tensor(alpha), torch.tensor(10.0)) == wanted


@settings(deadline=None, derandomize=True)
@given(SEEDS)
def test_the_same_generator_gives_the_same_warps(seed):
    one, other = (synthesis.random_warps(np.random.default_rng(seed), 4, VIEW, MOVING, 1.3) for _ in range(2))
    assert torch.equal(one, other)


def bent(mask: torch.Tensor, seed: int, frames: int = 4) -> torch.Tensor:
    """A mask that stays where it is and only bends, frame by frame."""
    rng = np.random.default_rng(seed)
    still = random_warps(rng, frames, STILL, STILL, aspect=1.0, flip=False)
    picture = 255 * mask.expand(-1, 3, -1, -1)
    shown, shape = warped(picture, mask, still, SIDE, random_bend(rng, frames, *bounds(mask)))
    torch.testing.assert_close(shown[:, :1], 255 * shape, atol=0.01, rtol=0)
    return shape


@settings(max_examples=30, deadline=None, derandomize=True)
@given(SEEDS, boxes)
def test_what_bends_changes_its_shape_and_stays_about_where_and_as_large_as_it_was(seed, mask):
    shapes = bent(mask, seed)
    assert not torch.allclose(shapes[0], shapes[1], atol=0.02)
    for shape in shapes:
        middle, extent = bounds((shape[None] > 0.5).float())
        former, size = bounds(mask)
        assert np.abs(middle - former).max() < size
        assert 0.5 * size < extent < 2 * size


@settings(max_examples=30, deadline=None, derandomize=True)
@given(SEEDS)
def test_a_blob_is_one_shape_that_leaves_some_of_the_picture(seed):
    blob = random_blob(np.random.default_rng(seed), SIDE)
    assert blob.shape == (1, 1, SIDE, SIDE)
    assert set(blob.unique().tolist()) == {0.0, 1.0}
    assert 0.002 < float(blob.mean()) < 0.9


def test_blobs_differ():
    first, second = (random_blob(np.random.default_rng(seed), SIDE) for seed in (0, 1))
    assert not torch.equal(first, second)


def test_the_middle_and_the_size_of_a_mask_are_in_shares_of_the_picture():
    middle, extent = bounds(a_box(top=0, left=24, height=12, width=24))
    assert middle.tolist() == [0.5, -0.75]
    assert extent == 0.5
