"""The frame contract with another way from a frame to the image: what an app may do before the programs."""

from collections.abc import Callable

import numpy as np

from tinysam2.core.config import ModelConfig
from tinysam2.data.preprocessing import Preprocessor

FrameToImage = Callable[[np.ndarray, int], np.ndarray]
"""A frame uint8 [H, W, 3] and the side of the input, to the image [side, side, 3], 0..255."""


class OtherFrames(Preprocessor):
    """The frame contract, but for the image, which is made by `to_image`."""

    def __init__(self, config: ModelConfig, to_image: FrameToImage) -> None:
        super().__init__(config.image_size, config.mask_size)
        self.to_image = to_image

    def image_tensor(self, frame: np.ndarray) -> np.ndarray:
        image = self.to_image(frame, self.image_size)
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
