"""The frame contract as data: what an app does around the four calls, with a model's own numbers."""

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import (
    BOX_BOTTOM_RIGHT_LABEL,
    BOX_TOP_LEFT_LABEL,
    MAX_POINTS,
    NEGATIVE_LABEL,
    PADDING_LABEL,
    POSITIVE_LABEL,
)


def frame_section(config: ModelConfig) -> dict:
    """The manifest's `frame`: how frames, points and masks become tensors, and logits become masks."""
    size, mask = config.image_size, config.mask_size
    return {
        "image": {
            "width": size,
            "height": size,
            "channels": ["red", "green", "blue"],
            "range": [0, 255],
            "layout": "NCHW",
            "resize": {
                "filter": "triangle",
                "antialias": True,
                "passes": ["horizontal", "vertical"],
                "coefficient_bits": 22,
                "between_passes": "uint8",
            },
        },
        "points": {
            "most": MAX_POINTS,
            "padding_label": int(PADDING_LABEL),
            "negative_label": int(NEGATIVE_LABEL),
            "positive_label": int(POSITIVE_LABEL),
            "box_labels": [int(BOX_TOP_LEFT_LABEL), int(BOX_BOTTOM_RIGHT_LABEL)],
            "scale": "x * width / frame_width",
        },
        "mask_prompt": {"width": mask, "height": mask, "resize": {"filter": "box", "antialias": True}},
        "mask": {
            "width": mask,
            "height": mask,
            "resize": {"filter": "triangle", "antialias": True},
            "threshold": 0.0,
            "inside": "above",
        },
        "ids": {"least": 1, "most": 255, "overlap": "greatest logit above 0; at a tie the least id"},
    }
