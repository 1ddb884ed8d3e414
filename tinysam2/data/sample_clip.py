"""The embedded sample clip, rendered with its ground truth: a koi swims under a lily pad and out again.

Points are in pond units: from the middle of the view, the height of a 4:3 frame being 1. A fish has
coordinates of its own: u from tail to nose and v across, its length being 1.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tinysam2.core.files import atomic_path, check_output_folder
from tinysam2.data.masks import write_mask

SUPERSAMPLING = 4
PAN = 0.06
PAD_RADIUS = 0.225
JPEG_QUALITY = 95


@dataclass(frozen=True)
class SampleClip:
    """frames: [H, W, 3] uint8 RGB each; masks: [H, W] uint8 object ids each, 0 the background."""

    frames: list[np.ndarray]
    masks: list[np.ndarray]


def render_sample_clip(
    frames: int = 40, size: tuple[int, int] = (320, 240), seed: int = 0, objects: int = 1
) -> SampleClip:
    """The sample clip, the same for the same arguments; around its middle object 1 is hidden entirely.

    size: (width, height) in pixels; objects: 1, or 2 for a second fish that swims over the first.
    Raises ValueError for no frames, a side under 32 pixels, or another number of objects.
    """
    if frames < 1:
        raise ValueError(f"frames is {frames}; it must be 1 or more")
    if min(size) < 32:
        raise ValueError(f"size is {size}; both sides must be 32 pixels or more")
    if objects not in (1, 2):
        raise ValueError(f"objects is {objects}; it must be 1 or 2")
    pond = _Pond(size, np.random.default_rng(seed), objects)
    rendered = [pond.render(index / max(frames - 1, 1)) for index in range(frames)]
    return SampleClip([frame for frame, _ in rendered], [mask for _, mask in rendered])


def write_sample_clip(
    folder: str | Path, frames: int = 40, size: tuple[int, int] = (320, 240), seed: int = 0, objects: int = 1
) -> Path:
    """Writes the sample clip as DAVIS lays it out: `frames/00000.jpg` and `masks/00000.png` onwards.

    The frames are JPEG (quality 95), a third of their size as PNG; the masks, mode P, are exact. Returns the
    folder. Raises InputError where it cannot be written or holds something else, ValueError as
    `render_sample_clip` does.
    """
    folder = check_output_folder(folder, former_output="masks")
    clip = render_sample_clip(frames, size, seed, objects)
    with atomic_path(folder) as temporary:
        for name in ("frames", "masks"):
            (temporary / name).mkdir(parents=True)
        for index, (frame, mask) in enumerate(zip(clip.frames, clip.masks, strict=True)):
            Image.fromarray(frame).save(temporary / "frames" / f"{index:05d}.jpg", quality=JPEG_QUALITY)
            write_mask(temporary / "masks" / f"{index:05d}.png", mask)
    return folder


# Half of a fish's outline, nose to tail: body, pectoral fin, body again, forked tail.
OUTLINE = (
    (0.50, 0.00), (0.48, 0.05), (0.40, 0.095), (0.26, 0.12), (0.20, 0.19), (0.09, 0.25), (0.03, 0.22),
    (0.06, 0.12), (-0.10, 0.095), (-0.24, 0.05), (-0.31, 0.04), (-0.38, 0.09), (-0.47, 0.15), (-0.52, 0.14),
    (-0.47, 0.06), (-0.44, 0.00),
)  # fmt: skip
BODY_U = (-0.5, -0.31, -0.1, 0.1, 0.26, 0.40, 0.48, 0.5)
BODY_HALF_WIDTH = (0.02, 0.04, 0.095, 0.12, 0.12, 0.095, 0.05, 0.01)


@dataclass(frozen=True)
class _Fish:
    """How a fish looks and swims, over a time from 0 to 1.

    course: four Bezier control points [4, 2]; lengths: at the start, the middle and the end;
    skin: smooth noise [N, N] from 0 to 1, which sets the patches.
    """

    course: np.ndarray
    lengths: tuple[float, float, float]
    strokes: float
    base: tuple[int, int, int]
    patches: tuple[int, int, int]
    skin: np.ndarray

    def position(self, time: float) -> np.ndarray:
        rest = 1 - time
        return np.array([rest**3, 3 * rest**2 * time, 3 * rest * time**2, time**3]) @ self.course

    def heading(self, time: float) -> np.ndarray:
        """The unit vector [2] from tail to nose."""
        along = self.position(time + 0.01) - self.position(time - 0.01)
        return along / np.hypot(*along)

    def length(self, time: float) -> float:
        return float(np.interp(time, (0, 0.5, 1), self.lengths))

    def bend(self, u: np.ndarray, time: float) -> np.ndarray:
        """How far a stroke moves the body sideways at u: most at the tail, not at the nose."""
        return 0.22 * (0.5 - u) ** 2 * np.sin(2 * np.pi * self.strokes * time + 4 * u)

    def outline(self, time: float) -> np.ndarray:
        """The silhouette [N, 2] in pond units."""
        half = np.array(OUTLINE)
        u, v = _rounded(np.concatenate([half, half[-2:0:-1] * (1, -1)])).T
        v = v + self.bend(u, time)
        ahead = self.heading(time)
        across = np.array([-ahead[1], ahead[0]])
        return self.position(time) + self.length(time) * (u[:, None] * ahead + v[:, None] * across)

    def colours(self, points: np.ndarray, time: float) -> np.ndarray:
        """The colour [..., 3] at points [..., 2] in pond units."""
        ahead = self.heading(time)
        local = (points - self.position(time)) / self.length(time)
        u = local @ ahead
        v = local @ np.array([-ahead[1], ahead[0]]) - self.bend(u, time)
        body = np.interp(u, BODY_U, BODY_HALF_WIDTH)

        colour = _mixed(
            np.array(self.base), np.array(self.patches), _smoothstep(_looked_up(self.skin, u, v), 0.5, 0.58)
        )
        scales = np.cos(2 * np.pi * (u + v) / 0.045) * np.cos(2 * np.pi * (u - v) / 0.045)
        roundness = 1.08 - 0.38 * np.clip(v / body, -1, 1) ** 2
        colour = colour * (roundness + 0.05 * scales)[..., None]

        fin = np.array(self.base) * (0.8 + 0.1 * np.cos(2 * np.pi * (v - 0.5 * u) / 0.03))[..., None]
        colour = _mixed(colour, fin, _smoothstep(np.abs(v) - body, 0.0, 0.02))
        eye = np.hypot(u - 0.41, np.abs(v) - 0.06)
        return _mixed(colour, np.array((20, 18, 22)), 1 - _smoothstep(eye, 0.014, 0.022))


class _Pond:
    """All that the clip shows: a bed of pebbles, the fish, and a lily pad amid the first one's course."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator, objects: int):
        width, height = size
        self.unit = min(height, width * 0.75)
        x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        self.view = np.stack([x, y], axis=-1) / self.unit
        reach = 1 + 2 * PAN * self.unit / np.array([height, width])
        bed_height, bed_width = np.ceil(np.array([height, width]) * reach).astype(int) + 2
        self.bed = _pebbles((bed_height, bed_width), self.unit, rng)
        self.leaf = _noise(rng, (256, 256), cells=24)
        koi = _Fish(
            course=np.array([(-0.46, 0.16), (-0.50, -0.40), (0.48, 0.45), (0.46, -0.14)]),
            lengths=(0.36, 0.30, 0.44),
            strokes=5,
            base=(246, 238, 226),
            patches=(232, 86, 28),
            skin=_noise(rng, (256, 256), cells=7),
        )
        golden = _Fish(
            course=np.array([(-0.05, -0.36), (-0.72, 0.02), (-0.30, 0.50), (0.45, 0.35)]),
            lengths=(0.26, 0.32, 0.28),
            strokes=6,
            base=(236, 190, 66),
            patches=(60, 50, 52),
            skin=_noise(rng, (256, 256), cells=7),
        )
        self.fish = [koi, golden][:objects]
        self.pad_centre = koi.position(0.5)

    def render(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """The frame [H, W, 3] uint8 and the mask [H, W] uint8 at a time from 0 to 1."""
        camera = PAN * np.array([math.sin(2 * math.pi * time), 0.6 * math.cos(2 * math.pi * time)])
        points = self.view + camera
        shape = self.view.shape[:2]
        silhouettes = [self._coverage(fish.outline(time) - camera) for fish in self.fish]
        pad_outline = self._pad_outline(time)
        pad = self._coverage(pad_outline - camera)

        scene = self._bed_seen_from(camera)
        shade = np.zeros(shape)
        for fish in self.fish:
            shade = np.maximum(shade, self._shadow(fish.outline(time) - camera + (0.025, 0.035)))
        shade = np.maximum(shade, self._shadow(pad_outline - camera + (0.035, 0.05)))
        scene = scene * (1 - 0.5 * shade[..., None])
        mask = np.zeros(shape, np.uint8)
        for object_id, (fish, coverage) in enumerate(zip(self.fish, silhouettes, strict=True), start=1):
            inside = coverage > 0
            scene[inside] = _mixed(scene[inside], fish.colours(points[inside], time), coverage[inside])
            mask[coverage >= 0.5] = object_id
        scene = scene * self._caustics(points, time)[..., None]
        scene = _mixed(scene, np.array((70, 128, 124)), 0.16)
        inside = pad > 0
        scene[inside] = _mixed(scene[inside], self._pad_colours(points[inside], time), pad[inside])
        mask[pad >= 0.5] = 0
        return np.clip(np.rint(scene), 0, 255).astype(np.uint8), mask

    def _coverage(self, outline: np.ndarray) -> np.ndarray:
        """The share [H, W] of each pixel that lies in an outline [N, 2]."""
        height, width = self.view.shape[:2]
        fine = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
        pixels = (outline * self.unit + np.array([width, height]) / 2) * SUPERSAMPLING - 0.5
        ImageDraw.Draw(fine).polygon([tuple(point) for point in pixels], fill=255)
        return np.asarray(fine.reduce(SUPERSAMPLING), np.float64) / 255

    def _shadow(self, outline: np.ndarray) -> np.ndarray:
        sharp = Image.fromarray((self._coverage(outline) * 255).astype(np.uint8))
        return np.asarray(sharp.filter(ImageFilter.GaussianBlur(0.02 * self.unit)), np.float64) / 255

    def _bed_seen_from(self, camera: np.ndarray) -> np.ndarray:
        height, width = self.view.shape[:2]
        left, top = (camera + PAN) * self.unit
        x, y = int(left), int(top)
        across = _mixed(self.bed[:, x : x + width], self.bed[:, x + 1 : x + 1 + width], left - x)
        return _mixed(across[y : y + height], across[y + 1 : y + 1 + height], top - y)

    def _caustics(self, points: np.ndarray, time: float) -> np.ndarray:
        """The rippling light [H, W] under water, about 1."""
        x, y = points[..., 0], points[..., 1]
        phase = 2 * np.pi * time
        waves = np.sin(17 * x + 4 * np.sin(9 * y + 2 * phase)) + np.sin(19 * y + 4 * np.sin(8 * x - phase))
        return 0.94 + 0.22 * (1 - np.abs(waves) / 2) ** 3

    def _pad_outline(self, time: float) -> np.ndarray:
        notch, turn = 0.22, self._pad_turn(time)
        angles = np.linspace(turn + notch, turn + 2 * np.pi - notch, 120)
        radius = PAD_RADIUS * (1 + 0.02 * np.sin(7 * angles))
        rim = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * radius[:, None]
        cleft = 0.6 * PAD_RADIUS * np.array([[math.cos(turn), math.sin(turn)]])
        return self.pad_centre + np.concatenate([rim, cleft])

    def _pad_turn(self, time: float) -> float:
        return -1.0 + 0.15 * math.sin(2 * math.pi * time)

    def _pad_colours(self, points: np.ndarray, time: float) -> np.ndarray:
        local = points - self.pad_centre
        radius = np.hypot(local[..., 0], local[..., 1]) / PAD_RADIUS
        angle = np.arctan2(local[..., 1], local[..., 0]) - self._pad_turn(time)
        veins = np.abs(np.sin(angle * 9)) * np.maximum(radius, 0.05)
        rotated = radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1) / 2.2
        blotches = _looked_up(self.leaf, rotated[..., 0], rotated[..., 1])
        colour = _mixed(np.array((38, 92, 40)), np.array((112, 158, 62)), blotches)
        colour = _mixed(np.array((164, 192, 104)), colour, _smoothstep(veins, 0.02, 0.07))
        return _mixed(colour, np.array((128, 92, 48)), _smoothstep(radius, 0.93, 1.0))


def _pebbles(size: tuple[int, int], unit: float, rng: np.random.Generator) -> np.ndarray:
    """A bed [H, W, 3] of pebbles: the cells of a jittered grid, darker towards their borders."""
    height, width = size
    cell = 0.055 * unit
    rows, columns = int(height / cell) + 3, int(width / cell) + 3
    centres = rng.uniform(0.1, 0.9, (rows, columns, 2))
    stones = np.array([(128, 118, 104), (92, 98, 96), (150, 136, 112), (104, 92, 82)], np.float64)
    tones = stones[rng.integers(0, len(stones), (rows, columns))] * rng.uniform(0.75, 1.1, (rows, columns, 1))

    y, x = (np.mgrid[0:height, 0:width] + 0.5) / cell + 1
    nearest = np.full(size, np.inf)
    second = np.full(size, np.inf)
    colour = np.zeros((*size, 3))
    for row_step in (-1, 0, 1):
        for column_step in (-1, 0, 1):
            row, column = y.astype(int) + row_step, x.astype(int) + column_step
            centre = centres[row, column]
            distance = np.hypot(y - row - centre[..., 0], x - column - centre[..., 1])
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            nearest = np.where(closer, distance, nearest)
            colour = np.where(closer[..., None], tones[row, column], colour)
    gap = _smoothstep(second - nearest, 0.02, 0.3)
    grain = _noise(rng, size, cells=int(max(size) / 4))
    return colour * (0.45 + 0.55 * gap + 0.3 * (grain - 0.5))[..., None]


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise [H, W] from 0 to 1, with two octaves; `cells` features along the longer side."""
    total = np.zeros(size)
    for octave, weight in ((1, 0.7), (2, 0.3)):
        shape = [max(2, round(side * cells * octave / max(size))) for side in size]
        grid = Image.fromarray(rng.random(shape).astype(np.float32))
        total += weight * np.asarray(grid.resize(size[::-1], Image.Resampling.BICUBIC), np.float64)
    return np.clip(total, 0, 1)


def _looked_up(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A square texture's values where u and v run from -0.5 to 0.5 across it."""
    side = len(texture)
    rows, columns = (np.clip((axis + 0.5) * side, 0, side - 1).astype(int) for axis in (v, u))
    return texture[rows, columns]


def _rounded(outline: np.ndarray) -> np.ndarray:
    """A closed outline [N, 2] with its corners cut twice (Chaikin): [4N, 2]."""
    for _ in range(2):
        following = np.roll(outline, -1, axis=0)
        outline = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], axis=1)
        outline = outline.reshape(-1, 2)
    return outline


def _smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _mixed(first: np.ndarray, second: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Colours between the first and the second, by the share [H, W] of the second."""
    share = np.asarray(share)[..., None]
    return first * (1 - share) + second * share
