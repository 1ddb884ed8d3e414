"""The tracker: the loop that an app runs, four program calls a frame and object, the bank fed back."""

from collections.abc import Mapping

import numpy as np

from tinysam2.core.contract import (
    IMAGE_ENCODER,
    MASK_DECODER,
    MEMORY_ATTENTION,
    MEMORY_ENCODER,
    NEXT,
)
from tinysam2.core.empty_bank import empty_bank
from tinysam2.core.errors import InputError
from tinysam2.core.frame_contract import LEAST_ID, MOST_ID
from tinysam2.data.preprocessing import Preprocessor, frame_logits
from tinysam2.data.prompts import Prompt
from tinysam2.data.tracked import TrackedFrame, TrackedObject
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.exclusive import ExclusiveUse

Tensors = dict[str, np.ndarray]


class Tracker:
    """Follows objects through the frames of a video, one frame after the other, in constant memory.

    Runs any backend. An object begins with its first prompt; a later prompt corrects it. Source: SAM 2's
    `track_step`, with the memory bank as explicit inputs and outputs. preprocessor: the frame contract's, unless given.

    Threads: one tracker, with a backend of its own, a thread. A tracker that is used by two threads at once refuses
    the second with an InputError.
    """

    def __init__(self, backend: Backend, preprocessor: Preprocessor | None = None) -> None:
        self.backend = backend
        self.preprocessor = preprocessor or Preprocessor(backend.config.image_size, backend.config.mask_size)
        self.banks: dict[int, Tensors] = {}
        self._exclusive = ExclusiveUse(
            "this tracker is in use by another thread; make a tracker, with a backend of its own, for each thread"
        )

    def track(
        self, frame: np.ndarray, prompts: Mapping[int, Prompt] | None = None, features: Tensors | None = None
    ) -> TrackedFrame:
        """The objects on the next frame: uint8 RGB [H, W, 3]; prompts: by object id (1..255), for this frame.

        features: the frame's, as `encode` gives them; None: encoded here.
        Raises InputError where a prompt does not fit the frame, or nothing was ever prompted.
        """
        with self._exclusive:
            return self._track(frame, prompts or {}, features)

    def encode(self, frame: np.ndarray) -> Tensors:
        """A frame's features, which all objects share and which depend on no other frame: uint8 RGB [H, W, 3]."""
        with self._exclusive:
            return self._encode(frame)

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

    def _track(self, frame: np.ndarray, prompts: Mapping[int, Prompt], features: Tensors | None) -> TrackedFrame:
        self._check(frame, prompts)
        if not prompts and not self.banks:
            raise InputError("there is nothing to track; prompt an object on this frame or an earlier one")
        encoded = self._encode(frame) if features is None else features
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
            if not LEAST_ID <= object_id <= MOST_ID:
                raise InputError(f"object id {object_id} cannot be kept in a mask; ids are {LEAST_ID} to {MOST_ID}")
            prompt.check(*_size(frame))

    def _encode(self, frame: np.ndarray) -> Tensors:
        return self.backend.run(IMAGE_ENCODER, {"image": self.preprocessor.image_tensor(frame)})

    def _decode(self, frame: np.ndarray, encoded: Tensors, prompt: Prompt | None, bank: Tensors) -> Tensors:
        """All tensors of one object's frame up to its answer: what the memory encoder takes."""
        tensors = {**encoded, **bank, **self.preprocessor.prompt_tensors(prompt, _size(frame))}
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


def tracked_object(tensors: Mapping[str, np.ndarray], width: int, height: int) -> TrackedObject:
    """The mask decoder's outputs, by name, as an object on a frame of that size."""
    return TrackedObject(
        frame_logits(tensors["mask_logits"], width, height),
        float(tensors["iou"].item()),
        float(tensors["object_score"].item()),
    )


def _size(frame: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return frame.shape[1], frame.shape[0]
