"""The gallery: a few frames of the clips, with the float model's masks, each target's, and where they differ."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from tinysam2.data.overlay import draw_overlay
from tinysam2.data.tracked import TrackedFrame

EVEN_FRAMES = 4
"""Evenly spaced frames that are shown, of all clips together; each target's worst frame comes on top."""

LONGEST_SIDE = 360
"""To which larger pictures are reduced, in pixels: sharp on a phone, and small enough to travel in one page."""

WEBP_QUALITY = 60
ONLY_TARGET, ONLY_FLOAT = 255, 0
"""Grey values of the difference, each surrounded by the other: seen on any frame, and without colour."""


@dataclass(frozen=True)
class TargetShot:
    """One target on one frame: its masks and the difference as WebP files, and how many of the frame's pixels only
    the target's masks cover, only the float model's do, and both do, but as different objects."""

    masks: bytes
    difference: bytes
    only_target: int
    only_float: int
    other_object: int


@dataclass(frozen=True)
class Shot:
    """One frame: its clip's place among all and its own in the clip, both from 0, the clip's name, the pictures' size
    in pixels, the float model's masks as a WebP file, and every target's.

    worst_of: the targets whose masks agree least with the float model's on this frame, of all frames.
    """

    clip: int
    clip_name: str
    frame: int
    width: int
    height: int
    float_masks: bytes
    targets: Mapping[str, TargetShot]
    worst_of: tuple[str, ...]


class Gallery:
    """Collects frames while clips of unknown length go by, and holds only a few small ones at any moment."""

    def __init__(self, even_frames: int = EVEN_FRAMES) -> None:
        self.even_frames = even_frames
        self._stride = 1
        self._even: list[_Kept] = []
        self._worst: dict[str, tuple[float, _Kept]] = {}
        self._clips: list[str] = []
        self._first = self._seen = 0
        self._last: tuple[_Place, np.ndarray, TrackedFrame, Mapping[str, TrackedFrame]] | None = None

    def begin(self, clip: str) -> None:
        """What follows is another clip, of that name."""
        self._clips.append(clip)
        self._first = self._seen

    def add(self, frame: np.ndarray, expected: TrackedFrame, answers: Mapping[str, tuple[TrackedFrame, float]]) -> None:
        """Looks at the clip's next frame.

        frame: uint8 RGB [H, W, 3]; expected: the float model's answer; answers: by target, the artifact's, and the mask
        IoU of the two on this frame.
        """
        tracked = {name: answer for name, (answer, _) in answers.items()}
        ious = {name: iou for name, (_, iou) in answers.items()}
        index, self._seen = self._seen, self._seen + 1
        place = _Place(index, len(self._clips) - 1, self._clips[-1], index - self._first)
        self._last = (place, frame, expected, tracked)
        worse = [name for name, iou in ious.items() if name not in self._worst or iou < self._worst[name][0]]
        wanted = index % self._stride == 0
        if not wanted and not worse:
            return
        kept = _keep(*self._last)
        self._worst |= {name: (ious[name], kept) for name in worse}
        if wanted:
            self._even.append(kept)
        # Twice as many as are shown, so that a choice among them is even at any length of the clip.
        if len(self._even) > 2 * self.even_frames:
            self._even = self._even[::2]
            self._stride *= 2

    def shots(self) -> tuple[Shot, ...]:
        """The frames to show, in the clips' order: evenly spaced ones, the first and the last among them, and each
        target's worst."""
        if self._last is None:
            return ()
        kept = {even.place.index: even for even in self._even}
        last = self._last[0].index
        if last not in kept:
            kept[last] = _keep(*self._last)
        places = np.linspace(0, last, min(self.even_frames, len(kept)))
        shown = {min(kept, key=lambda index: abs(index - place)) for place in places}
        kept |= {worst.place.index: worst for _, worst in self._worst.values()}
        shown |= {worst.place.index for _, worst in self._worst.values()}
        return tuple(self._shot(kept[index]) for index in sorted(shown))

    def _shot(self, kept: "_Kept") -> Shot:
        worst_of = (name for name, (iou, worst) in self._worst.items() if worst.place == kept.place and iou < 1)
        height, width = kept.ids.shape
        return Shot(
            kept.place.clip,
            kept.place.clip_name,
            kept.place.frame,
            width,
            height,
            _webp(draw_overlay(kept.picture, kept.ids)),
            {name: _target_shot(kept, target) for name, target in kept.targets.items()},
            tuple(worst_of),
        )


@dataclass(frozen=True)
class _Place:
    """A frame's place among all, its clip's, the clip's name, and the frame's place in the clip."""

    index: int
    clip: int
    clip_name: str
    frame: int


@dataclass(frozen=True, eq=False)
class _KeptTarget:
    """A target's ids [h, w], where it differs [h, w] and by how many of the frame's pixels."""

    ids: np.ndarray
    more: np.ndarray
    less: np.ndarray
    only_target: int
    only_float: int
    other_object: int


@dataclass(frozen=True, eq=False)
class _Kept:
    """A frame reduced to what its pictures will be drawn from: RGB [h, w, 3], ids [h, w]."""

    place: _Place
    picture: np.ndarray
    ids: np.ndarray
    targets: Mapping[str, _KeptTarget]


def _keep(place: _Place, frame: np.ndarray, expected: TrackedFrame, tracked: Mapping[str, TrackedFrame]) -> _Kept:
    size, ids = _reduced_size(frame), expected.ids
    return _Kept(
        place,
        np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)),
        _reduced_ids(ids, size),
        {name: _keep_target(ids, answer.ids, size) for name, answer in tracked.items()},
    )


def _keep_target(expected: np.ndarray, ids: np.ndarray, size: tuple[int, int]) -> _KeptTarget:
    more, less, differ = (ids > 0) & (expected == 0), (ids == 0) & (expected > 0), ids != expected
    return _KeptTarget(
        _reduced_ids(ids, size),
        # Reduced after they are compared: a difference of one pixel must not be lost with its row.
        _reduced_or(differ & ~less, size),
        _reduced_or(less, size),
        int(more.sum()),
        int(less.sum()),
        int((differ & ~more & ~less).sum()),
    )


def _target_shot(kept: _Kept, target: _KeptTarget) -> TargetShot:
    return TargetShot(
        _webp(draw_overlay(kept.picture, target.ids)),
        _webp(draw_difference(kept.picture, target.more, target.less)),
        target.only_target,
        target.only_float,
        target.other_object,
    )


def draw_difference(picture: np.ndarray, more: np.ndarray, less: np.ndarray) -> np.ndarray:
    """Where two masks differ, drawn on the faded picture, each place a pixel larger than it is so that it is seen.

    picture: uint8 RGB [H, W, 3]; more, less: bool [H, W], pixels that only the second mask covers and that only the
    first does. White with a black rim: more; black with a white rim: less. Returns uint8 [H, W], grey.
    """
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    drawn = np.rint(104 + grey * 0.2).astype(np.uint8)
    for mask, rim in ((more, ONLY_FLOAT), (less, ONLY_TARGET)):
        drawn[ndimage.binary_dilation(mask, np.ones((5, 5)))] = rim
    for mask, fill in ((less, ONLY_FLOAT), (more, ONLY_TARGET)):
        drawn[ndimage.binary_dilation(mask, np.ones((3, 3)))] = fill
    return drawn


def _reduced_size(frame: np.ndarray) -> tuple[int, int]:
    """Width and height of the pictures."""
    height, width = frame.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _reduced_ids(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(ids).resize(size, Image.Resampling.NEAREST))


def _reduced_or(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask reduced so that a pixel is set where any of those that it stands for is."""
    reduced = Image.fromarray(mask.astype(np.float32), mode="F").resize(size, Image.Resampling.BOX)
    return np.asarray(reduced) > 0


def _webp(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=WEBP_QUALITY)
    return file.getvalue()
