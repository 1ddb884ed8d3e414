"""The frame contract as data: how a camera frame becomes the image tensor, and mask logits become masks.

The algorithm, with worked vectors: docs/frame-contract.md.
"""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import (
    BOX_BOTTOM_RIGHT_LABEL,
    BOX_TOP_LEFT_LABEL,
    MAX_POINTS,
    NEGATIVE_LABEL,
    PADDING_LABEL,
    POSITIVE_LABEL,
)

TRIANGLE, BOX = "triangle", "box"
"""Filters of the contract."""

COEFFICIENT_BITS = 22
"""Fraction of a resizing weight in fixed point: 8 bits of pixel and 22 of weight leave an int32 its sign."""

YUV_BITS = 16
"""Fraction of a YUV coefficient in fixed point."""

YUV_COEFFICIENTS = ("luma", "red_v", "green_u", "green_v", "blue_u")

LEAST_ID, MOST_ID = 1, 255
"""Object ids that an index mask can hold; 0 is no object."""

_ARITHMETIC = "float64 sums in tap order, stored as float32 after each pass"
_PASSES = ["horizontal", "vertical"]


def _conversion(red: Fraction, blue: Fraction, video_range: bool) -> Mapping[str, int]:
    """Integer coefficients of a YUV matrix. red, blue: the share of the primaries in luma."""
    green = 1 - red - blue
    luma, chroma = (Fraction(255, 219), Fraction(255, 224)) if video_range else (Fraction(1), Fraction(1))
    values = {
        "luma": luma,
        "red_v": 2 * (1 - red) * chroma,
        "green_u": -2 * (1 - blue) * blue / green * chroma,
        "green_v": -2 * (1 - red) * red / green * chroma,
        "blue_u": 2 * (1 - blue) * chroma,
    }
    fixed = {name: round(value * 2**YUV_BITS) for name, value in values.items()}
    return MappingProxyType({"luma_offset": 16 if video_range else 0, "chroma_offset": 128, **fixed})


YUV_CONVERSIONS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        f"{matrix}-{name}": _conversion(red, blue, name == "video")
        for matrix, red, blue in (
            ("bt601", Fraction(299, 1000), Fraction(114, 1000)),
            ("bt709", Fraction(2126, 10000), Fraction(722, 10000)),
        )
        for name in ("video", "full")
    }
)
"""Matrix and range as the frame tells them -> offsets and coefficients. Source: ITU-R BT.601, BT.709."""

YUV_DEFAULT = "bt601-full"
"""Where a frame does not tell: JFIF's, in which Android's cameras give YUV_420_888."""


def frame_section(config: ModelConfig) -> dict:
    """The manifest's `frame`: every number that an app needs to make tensors of frames and masks of tensors."""
    image, mask = config.image_size, config.mask_size
    return {
        "image": {
            "width": image,
            "height": image,
            "channels": ["red", "green", "blue"],
            "range": [0, 255],
            "layout": "NCHW",
            "resize": {
                "filter": TRIANGLE,
                "antialias": True,
                "passes": _PASSES,
                "coefficient_bits": COEFFICIENT_BITS,
                "between_passes": "uint8",
            },
        },
        "video": {
            "coefficient_bits": YUV_BITS,
            "chroma": "nearest",
            "default": YUV_DEFAULT,
            "conversions": {name: dict(values) for name, values in YUV_CONVERSIONS.items()},
            "rotation": {"degrees": [0, 90, 180, 270], "direction": "clockwise", "when": "before resizing"},
        },
        "points": {
            "most": MAX_POINTS,
            "padding_label": PADDING_LABEL,
            "negative_label": NEGATIVE_LABEL,
            "positive_label": POSITIVE_LABEL,
            "box_labels": [BOX_TOP_LEFT_LABEL, BOX_BOTTOM_RIGHT_LABEL],
            "order": "points, then the box's top left and bottom right corner",
            "scale": "x * width / frame_width",
        },
        "mask_prompt": {
            "width": mask,
            "height": mask,
            "resize": {"filter": BOX, "antialias": True, "passes": _PASSES, "arithmetic": _ARITHMETIC},
        },
        "mask": {
            "width": mask,
            "height": mask,
            "resize": {"filter": TRIANGLE, "antialias": True, "passes": _PASSES, "arithmetic": _ARITHMETIC},
            "threshold": 0.0,
            "inside": "above",
        },
        "ids": {
            "least": LEAST_ID,
            "most": MOST_ID,
            "overlap": "greatest logit above 0; at a tie the least id",
        },
    }
