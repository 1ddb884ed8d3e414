"""How training clips are altered: affine motion, bending, pasting, occluders, colour.

Pure functions of arrays and a generator. Pictures are float32 tensors [T, 3, n, n] in 0..255, masks [T, 1, n, n] in
0..1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Motion:
    """How far a warp may go, as standard deviations: at the start, and from each frame to the next.

    turn: degrees; zoom: natural logarithm; shear: slope; shift: of the picture's side.
    """

    turn: float
    zoom: float
    shear: float
    shift: float


VIEW = Motion(turn=10.0, zoom=0.22, shear=0.06, shift=0.10)
"""The start of any clip: another framing of the same scene."""

STEADY = Motion(turn=0.8, zoom=0.012, shear=0.004, shift=0.008)
"""From frame to frame on video that moves by itself."""

MOVING = Motion(turn=5.0, zoom=0.06, shear=0.02, shift=0.045)
"""From frame to frame on what would stand still: about the motion of fast real objects."""


BEND = 0.08
"""How far a bend may move a place, as a standard deviation: a share of half the size of what bends."""

WAVES = 3
FIELD = 32
"""Side of the field that bends are computed on before they are enlarged; their waves are far longer."""


@dataclass(frozen=True)
class Bend:
    """Waves that move every place a little, otherwise from frame to frame: cloth, limbs, a turning body.

    about: the middle [2] of what bends, and extent: half its size, both in input coordinates of -1..1. pushes: where a
    wave pushes [WAVES, 2], in shares of the extent; fronts: its wave vector [WAVES, 2], in radians an extent;
    phases [T, WAVES].
    """

    about: np.ndarray
    extent: float
    pushes: np.ndarray
    fronts: np.ndarray
    phases: np.ndarray

    def moved(self, grid: Tensor) -> Tensor:
        """Input coordinates [T, n, n, 2] after bending."""
        side = grid.shape[1]
        coarse = F.interpolate(grid.permute(0, 3, 1, 2), FIELD, mode="bilinear", align_corners=True)
        places = (coarse.permute(0, 2, 3, 1) - _float(self.about)) / self.extent
        waves = torch.sin(places @ _float(self.fronts).T + _float(self.phases)[:, None, None])
        pushed = (waves @ (_float(self.pushes) * self.extent)).permute(0, 3, 1, 2)
        return grid + F.interpolate(pushed, side, mode="bilinear", align_corners=True).permute(0, 2, 3, 1)


def random_bend(rng: np.random.Generator, frames: int, about: np.ndarray, extent: float) -> Bend:
    """Waves about as long as what bends, that travel at a speed of their own."""
    pace = rng.normal(0, 0.35, WAVES)
    jitter = rng.normal(0, 0.2, (frames, WAVES))
    phases = rng.uniform(0, 2 * np.pi, WAVES) + np.arange(frames)[:, None] * pace + np.cumsum(jitter, 0)
    fronts = rng.normal(0, np.pi, (WAVES, 2))
    return Bend(about, extent, rng.normal(0, BEND, (WAVES, 2)), fronts, phases)


def random_blob(rng: np.random.Generator, side: int) -> Tensor:
    """A mask [1, 1, side, side] of one smooth random shape somewhere in the picture: an object of no kind."""
    middle, radius = rng.uniform(-0.6, 0.6, 2), rng.uniform(0.15, 0.45)
    orders = np.arange(1, 6)
    size, turn = rng.normal(0, 0.3, 5) / orders, rng.uniform(0, 2 * np.pi, 5)
    steps = (np.arange(side) + 0.5) * 2 / side - 1
    x, y = np.meshgrid(steps - middle[0], steps - middle[1])
    angle = np.arctan2(y, x)
    outline = 1 + sum(a * np.cos(m * angle + t) for a, m, t in zip(size, orders, turn, strict=True))
    inside = np.hypot(x, y) < radius * np.maximum(outline, 0.25)
    return torch.from_numpy(inside.astype(np.float32))[None, None]


def random_warps(
    rng: np.random.Generator, frames: int, start: Motion, step: Motion, aspect: float, flip: bool = True
) -> Tensor:
    """Affine maps [T, 2, 3] from output to input coordinates in -1..1, as `affine_grid` takes them.

    The motion has a constant part and a random one. aspect: width over height of the scene, so that turning the
    stretched square turns the scene and does not shear it.
    """
    at_start = rng.normal(size=5) * _spread(start)
    steady, jitter = rng.normal(size=5) * _spread(step), rng.normal(size=(frames, 5)) * _spread(step)
    jitter[0] = 0
    times = np.arange(frames)[:, None]
    poses = at_start + times * steady * 0.8 + np.cumsum(jitter, 0) * 0.6
    mirror = -1.0 if flip and rng.random() < 0.5 else 1.0
    return torch.from_numpy(np.stack([_affine(pose, aspect, mirror) for pose in poses]).astype(np.float32))


def warped(picture: Tensor, mask: Tensor, warps: Tensor, side: int, bend: Bend | None = None) -> tuple[Tensor, Tensor]:
    """Picture and mask, one frame or T of them, seen through T warps at a side of `side` pixels.

    Outside the picture its border goes on; the mask ends there.
    """
    frames = warps.shape[0]
    grid = F.affine_grid(warps, [frames, 1, side, side], align_corners=False)
    if bend:
        grid = bend.moved(grid)
    picture = F.grid_sample(picture.expand(frames, -1, -1, -1), grid, padding_mode="border", align_corners=False)
    mask = F.grid_sample(mask.expand(frames, -1, -1, -1), grid, padding_mode="zeros", align_corners=False)
    return picture, mask


def over(front: Tensor, alpha: Tensor, back: Tensor) -> Tensor:
    """`front` over `back`, where `alpha` is how much of it covers."""
    return back + alpha * (front - back)


def coloured(rng: np.random.Generator, picture: Tensor) -> Tensor:
    """Brightness, contrast, saturation, a colour cast and noise: one draw a clip, with a little flicker a frame."""
    frames = picture.shape[0]
    gain = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.02, frames))
    contrast, saturation = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0, 0.25))
    cast = np.exp(rng.normal(0, 0.08, 3))
    scale = torch.from_numpy((gain[:, None] * cast).astype(np.float32))[:, :, None, None]
    picture = picture * scale
    mean = picture.mean((1, 2, 3), keepdim=True)
    picture = mean + float(contrast) * (picture - mean)
    grey = picture.mean(1, keepdim=True)
    picture = grey + float(saturation) * (picture - grey)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 8), picture.shape[-2:]).astype(np.float32)
        picture = picture + torch.from_numpy(noise)
    if rng.random() < 0.15:
        picture = F.avg_pool2d(picture, 3, stride=1, padding=1, count_include_pad=False)
    return picture.clamp(0, 255)


def greyed(picture: Tensor) -> Tensor:
    """Without colour."""
    return picture.mean(1, keepdim=True).expand(-1, 3, -1, -1)


def placed(mask: Tensor, rng: np.random.Generator, frames: int, step: Motion, aspect: float) -> Tensor:
    """Warps [T, 2, 3] that bring what a mask [1, 1, n, n] marks to a random place and size, and move it from there.

    The mask must not be empty.
    """
    centre, extent = bounds(mask)
    # The object's longer side, as a share of the picture, is drawn between an eighth and three quarters.
    wanted = np.exp(rng.uniform(np.log(0.12), np.log(0.75)))
    to = rng.uniform(-0.75, 0.75, 2)
    pose = Motion(turn=8.0, zoom=0.0, shear=0.05, shift=0.0)
    warps = random_warps(rng, frames, pose, step, aspect).double().numpy()
    shrink = extent / wanted
    for warp in warps:
        moved = warp[:, 2].copy()
        warp[:, :2] *= shrink
        warp[:, 2] = centre + moved * shrink - warp[:, :2] @ to
    return torch.from_numpy(warps.astype(np.float32))


def bounds(mask: Tensor) -> tuple[np.ndarray, float]:
    """Middle [2] (x, y) of what a mask [1, 1, n, n] marks, in -1..1, and its longer side as a share of the picture."""
    rows, columns = mask[0, 0].amax(1).nonzero(), mask[0, 0].amax(0).nonzero()
    side = mask.shape[-1]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return np.array([left + right, top + bottom]) / side - 1, max(bottom - top, right - left) / side


def _float(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))


def _spread(motion: Motion) -> np.ndarray:
    # A shift of the side is 2 in coordinates of -1..1.
    return np.array([np.deg2rad(motion.turn), motion.zoom, motion.shear, 2 * motion.shift, 2 * motion.shift])


def _affine(pose: np.ndarray, aspect: float, mirror: float) -> np.ndarray:
    turn, zoom, shear, x, y = pose
    zoom = np.exp(-np.clip(zoom, -0.7, 0.7))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    slanted = rotation @ np.array([[1.0, shear], [0.0, 1.0]]) * zoom
    stretch = np.diag([aspect, 1.0])
    linear = np.linalg.inv(stretch) @ slanted @ stretch @ np.diag([mirror, 1.0])
    return np.concatenate([linear, [[x], [y]]], axis=1)
