"""Faults of the frame: what an app makes of a camera's frame before the programs see it."""

from functools import partial

import numpy as np

from benchmarks.faults.bench import Bench, Broken, Fault
from benchmarks.other_frames import FrameToImage, OtherFrames
from tinysam2.core.frame_contract import YUV_BITS, YUV_CONVERSIONS
from tinysam2.data.other_filters import PLAIN_BILINEAR, resized, sampled
from tinysam2.data.yuv import rgb_of_yuv420
from tinysam2.validation.gate import Gate
from tinysam2.validation.parity.scenes import sample_scene


def frame_fault(name: str, what: str, wrong: FrameToImage, right: FrameToImage) -> Fault:
    """A fault of the frame. right: what the contract makes of the same frame, as a golden vector holds it."""

    def breaks(bench: Bench) -> Broken:
        frame = next(iter(sample_scene(1).read_frames()))
        found, wanted = (OtherFrames(bench.card.config, way).image_tensor(frame) for way in (wrong, right))
        gate = Gate(
            "frame", "bytes unlike the golden vector", int((found != wanted).sum()), 0, False, "bytes are equal"
        )
        return Broken(bench.unmodified, (gate,), OtherFrames(bench.card.config, wrong))

    return Fault(name, what, "frame", breaks)


def _filmed(encoded: str, decoded: str) -> FrameToImage:
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
        return resized(rgb_of_yuv420(y, u, v, decoded), side)

    return resize


FRAME_FAULTS: tuple[Fault, ...] = (
    frame_fault(
        "plain-bilinear",
        "the frame resized bilinearly without antialiasing",
        partial(resized, how=PLAIN_BILINEAR),
        resized,
    ),
    frame_fault("area", "the frame resized by area, in whole pixels", partial(resized, how="box"), resized),
    frame_fault(
        "half-pixel", "the frame sampled at pixels' corners, half a pixel off", partial(sampled, offset=0.0), resized
    ),
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
