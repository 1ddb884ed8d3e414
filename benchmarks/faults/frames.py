"""Faults of the frame: what an app makes of a camera's frame before the programs see it."""

from collections.abc import Callable

import numpy as np

from benchmarks.faults.bench import Bench, Broken, Fault
from tinysam2.core.frame_contract import BOX, YUV_BITS, YUV_CONVERSIONS
from tinysam2.data.preprocessing import Preprocessor
from tinysam2.data.resampling import resize_image
from tinysam2.data.yuv import rgb_of_yuv420
from tinysam2.validation.gate import Gate
from tinysam2.validation.parity.scenes import sample_scene

Resize = Callable[[np.ndarray, int], np.ndarray]
"""A frame uint8 [H, W, 3] and the side of the input, to uint8 [side, side, 3]."""


class _Frames(Preprocessor):
    """The frame contract with another way to the image."""

    def __init__(self, bench: Bench, resize: Resize) -> None:
        super().__init__(bench.card.config.image_size, bench.card.config.mask_size)
        self.resize = resize

    def image_tensor(self, frame: np.ndarray) -> np.ndarray:
        image = self.resize(frame, self.image_size)
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)


def frame_fault(name: str, what: str, wrong: Resize, right: Resize) -> Fault:
    """A fault of the frame. right: what the contract makes of the same frame, as a golden vector holds it."""

    def breaks(bench: Bench) -> Broken:
        frame = next(iter(sample_scene(1).read_frames()))
        found, wanted = (_Frames(bench, way).image_tensor(frame) for way in (wrong, right))
        gate = Gate(
            "frame", "bytes unlike the golden vector", int((found != wanted).sum()), 0, False, "bytes are equal"
        )
        return Broken(bench.unmodified, (gate,), _Frames(bench, wrong))

    return Fault(name, what, "frame", breaks)


def _contract(frame: np.ndarray, side: int) -> np.ndarray:
    return resize_image(frame, side, side)


def _area(frame: np.ndarray, side: int) -> np.ndarray:
    return resize_image(frame, side, side, BOX)


def _sampled(offset: float) -> Resize:
    """Bilinear between the four nearest pixels, however far it shrinks. offset: of a pixel's centre from its index."""

    def along(values: np.ndarray, wanted: int) -> np.ndarray:
        size = len(values)
        places = np.clip((np.arange(wanted) + offset) * size / wanted - offset, 0, size - 1)
        low = np.floor(places).astype(int)
        share = (places - low)[:, None, None]
        return (1 - share) * values[low] + share * values[np.minimum(low + 1, size - 1)]

    def resize(frame: np.ndarray, side: int) -> np.ndarray:
        rows = along(frame.astype(np.float64), side)
        return np.rint(along(rows.swapaxes(0, 1), side).swapaxes(0, 1)).astype(np.uint8)

    return resize


def _filmed(encoded: str, decoded: str) -> Resize:
    """The frame as a camera gives it in one matrix and range, and an app reads it in another."""
    how = {name: value / 2**YUV_BITS for name, value in YUV_CONVERSIONS[encoded].items() if "offset" not in name}
    to_rgb = np.array(
        [
            [how["luma"], 0, how["red_v"]],
            [how["luma"], how["green_u"], how["green_v"]],
            [how["luma"], how["blue_u"], 0],
        ]
    )
    offsets = np.array([YUV_CONVERSIONS[encoded]["luma_offset"], 128, 128])

    def resize(frame: np.ndarray, side: int) -> np.ndarray:
        planes = frame @ np.linalg.inv(to_rgb).T + offsets
        height, width = frame.shape[:2]
        blocks = planes[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
        y, u, v = (
            np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (planes[..., 0], blocks[..., 1], blocks[..., 2])
        )
        return _contract(rgb_of_yuv420(y, u, v, decoded), side)

    return resize


FRAME_FAULTS: tuple[Fault, ...] = (
    frame_fault("plain-bilinear", "the frame resized bilinearly without antialiasing", _sampled(0.5), _contract),
    frame_fault("area", "the frame resized by area", _area, _contract),
    frame_fault("half-pixel", "the frame sampled at pixels' corners, half a pixel off", _sampled(0.0), _contract),
    frame_fault(
        "matrix-601",
        "YUV of BT.709 read by BT.601's matrix",
        _filmed("bt709-video", "bt601-video"),
        _filmed("bt709-video", "bt709-video"),
    ),
    frame_fault(
        "full-range",
        "YUV of video range read as full range",
        _filmed("bt709-video", "bt709-full"),
        _filmed("bt709-video", "bt709-video"),
    ),
)
