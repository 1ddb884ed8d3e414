"""The tracker: the loop that an app runs, four program calls a frame and object, the bank fed back."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from tinysam2.core.contract import (
    IMAGE_ENCODER,
    MASK_DECODER,
    MEMORY_ATTENTION,
    MEMORY_ENCODER,
    NEXT,
)
from tinysam2.core.empty_bank import empty_bank
from tinysam2.core.errors import InputError
from tinysam2.data.prompts import Prompt, prompt_tensors
from tinysam2.data.tracked import TrackedFrame, TrackedObject
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.exclusive import ExclusiveUse

Tensors = dict[str, np.ndarray]


class Tracker:
    """Follows objects through the frames of a video, one frame after the other, in constant memory.

    Runs any backend. An object begins with its first prompt; a later prompt corrects it. Source: SAM 2's
    `track_step`, with the memory bank as explicit inputs and outputs.

    Threads: one tracker, with a backend of its own, a thread. A tracker that is used by two threads at once refuses
    the second with an InputError.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.banks: dict[int, Tensors] = {}
        self._exclusive = ExclusiveUse(
            "this tracker is in use by another thread; make a tracker, with a backend of its own, for each thread"
        )

    def track(self, frame: np.ndarray, prompts: Mapping[int, Prompt] | None = None) -> TrackedFrame:
        """The objects on the next frame: uint8 RGB [H, W, 3]; prompts: by object id (1..255), for this frame.

        Raises InputError where a prompt does not fit the frame, or nothing was ever prompted.
        """
        with self._exclusive:
            return self._track(frame, prompts or {})

    def segment(self, image: np.ndarray, prompts: Mapping[int, Prompt]) -> TrackedFrame:
        """The prompted objects on one image alone, uint8 RGB [H, W, 3]: nothing is recalled or remembered.

        Raises InputError where a prompt does not fit the image, or there is none.
        """
        with self._exclusive:
            self._check(image, prompts)
            if not prompts:
                raise InputError("there is nothing to segment; prompt an object on the image")
            encoded, bank = self._encode(image), self._empty_bank()
            objects = {
                object_id: tracked_object(self._decode(image, encoded, prompt, bank), *_size(image))
                for object_id, prompt in sorted(prompts.items())
            }
        return TrackedFrame(objects, *_size(image))

    def _track(self, frame: np.ndarray, prompts: Mapping[int, Prompt]) -> TrackedFrame:
        self._check(frame, prompts)
        if not prompts and not self.banks:
            raise InputError("there is nothing to track; prompt an object on this frame or an earlier one")
        encoded = self._encode(frame)
        objects, banks = {}, {}
        for object_id in sorted({*self.banks, *prompts}):
            bank = self.banks.get(object_id) or self._empty_bank()
            tensors = self._decode(frame, encoded, prompts.get(object_id), bank)
            objects[object_id] = tracked_object(tensors, *_size(frame))
            following = self.backend.run(MEMORY_ENCODER, tensors)
            banks[object_id] = {name.removeprefix(NEXT): value for name, value in following.items()}
        # All at once, so that a program that fails leaves every object where it was.
        self.banks = banks
        return TrackedFrame(objects, *_size(frame))

    def _empty_bank(self) -> Tensors:
        return empty_bank(self.backend.config, self.backend.io_dtype)

    def _check(self, frame: np.ndarray, prompts: Mapping[int, Prompt]) -> None:
        for object_id, prompt in prompts.items():
            if not 1 <= object_id <= 255:
                raise InputError(f"object id {object_id} cannot be kept in a mask; ids are 1 to 255")
            prompt.check(*_size(frame))

    def _encode(self, frame: np.ndarray) -> Tensors:
        """The image's features, which all objects share."""
        return self.backend.run(IMAGE_ENCODER, {"image": image_tensor(frame, self.backend.config.image_size)})

    def _decode(self, frame: np.ndarray, encoded: Tensors, prompt: Prompt | None, bank: Tensors) -> Tensors:
        """All tensors of one object's frame up to its answer: what the memory encoder takes."""
        config = self.backend.config
        tensors = {**encoded, **bank, **prompt_tensors(prompt, _size(frame), config.image_size, config.mask_size)}
        tensors |= self.backend.run(MEMORY_ATTENTION, tensors)
        return tensors | self.backend.run(MASK_DECODER, tensors)

    def remove(self, object_id: int) -> None:
        """Forgets an object and frees its bank; `KeyError` where there is none of that id."""
        with self._exclusive:
            del self.banks[object_id]

    @property
    def bank_bytes(self) -> int:
        """Bytes of all objects' banks, in the backend's own dtype."""
        return sum(value.nbytes for bank in self.banks.values() for value in bank.values())


def image_tensor(frame: np.ndarray, side: int) -> np.ndarray:
    """uint8 RGB [H, W, 3] of any size -> float32 [1, 3, side, side], 0..255: stretched to a square, as SAM 2 does."""
    resized = np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BILINEAR), np.float32)
    return np.ascontiguousarray(resized.transpose(2, 0, 1)[None])


def tracked_object(tensors: Mapping[str, np.ndarray], width: int, height: int) -> TrackedObject:
    """The mask decoder's outputs, by name, as an object on a frame of that size."""
    return TrackedObject(
        _at_size(tensors["mask_logits"], width, height),
        float(tensors["iou"].item()),
        float(tensors["object_score"].item()),
    )


def _size(frame: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return frame.shape[1], frame.shape[0]


def _at_size(logits: np.ndarray, width: int, height: int) -> np.ndarray:
    """Mask logits [1, 1, h, w] -> float32 [height, width], bilinearly."""
    small = Image.fromarray(np.asarray(logits[0, 0], np.float32))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
