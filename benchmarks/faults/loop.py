"""Faults of what an app does around the programs: what it passes them, and what it makes of their answers."""

from collections.abc import Callable

import numpy as np

from benchmarks.faults.bench import Fault, Run, loop_fault
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER, NEXT, QUALITY_LEVELS
from tinysam2.models.network.image_encoder import IMAGENET_MEAN, IMAGENET_STD

Tensors = dict[str, np.ndarray]

BANK = ("memory_tokens", "memory_xy", "slot_quality", "slot_age", "pointers", "pointer_age")


def _given(program: str, **changes: Callable[[np.ndarray], np.ndarray]) -> Callable[[Run], Run]:
    """The program gets these inputs changed."""

    def wrap(run: Run) -> Run:
        def wrong(name: str, tensors: Tensors) -> Tensors:
            spoiled = {key: change(tensors[key]) for key, change in changes.items()} if name == program else {}
            return run(name, {**tensors, **spoiled})

        return wrong

    return wrap


def _answered(program: str, change: Callable[[Tensors, Tensors], Tensors]) -> Callable[[Run], Run]:
    """The program's outputs are changed: `change` is told inputs and outputs, and returns those that differ."""

    def wrap(run: Run) -> Run:
        def wrong(name: str, tensors: Tensors) -> Tensors:
            outputs = run(name, tensors)
            return {**outputs, **change(tensors, outputs)} if name == program else outputs

        return wrong

    return wrap


def _remembering(recall: Callable[[Tensors, Tensors], Tensors]) -> Callable[[Run], Run]:
    """Memory attention reads another bank than the one that was written last.

    recall: is told the bank that it should read and the one before, and returns what it gets in place. A bank is
    known by its tokens and ages, so that objects are not mixed up; a bank that this runtime did not write is read as
    it is, and the fault shows in the clip alone.
    """

    def wrap(run: Run) -> Run:
        before: dict[bytes, Tensors] = {}

        def wrong(name: str, tensors: Tensors) -> Tensors:
            if name == MEMORY_ATTENTION and (former := before.get(_bank_key(tensors))):
                tensors = {**tensors, **recall({key: tensors[key] for key in BANK}, former)}
            outputs = run(name, tensors)
            if name == MEMORY_ENCODER:
                written = {key: outputs[NEXT + key] for key in BANK}
                before[_bank_key(written)] = {key: np.array(tensors[key]) for key in BANK}
            return outputs

        return wrong

    return wrap


def _bank_key(bank: Tensors) -> bytes:
    return b"".join(np.asarray(bank[name], np.float32).tobytes() for name in ("memory_tokens", "slot_age", "pointers"))


def _previous_features(run: Run) -> Run:
    """The image encoder's answer comes a frame late."""
    seen: list[tuple[bytes, Tensors]] = []

    def wrong(name: str, tensors: Tensors) -> Tensors:
        outputs = run(name, tensors)
        if name != IMAGE_ENCODER:
            return outputs
        frame = np.asarray(tensors["image"]).tobytes()
        if not seen or seen[-1][0] != frame:
            seen.append((frame, outputs))
        return seen[-2:][0][1]

    return wrong


def _reused_outputs(run: Run) -> Run:
    """Every call of a program answers in the same arrays, which its next call overwrites."""
    arrays: Tensors = {}

    def wrong(name: str, tensors: Tensors) -> Tensors:
        outputs = run(name, tensors)
        for key, value in outputs.items():
            np.copyto(arrays.setdefault(f"{name}.{key}", np.array(value)), value)
        return {key: arrays[f"{name}.{key}"] for key in outputs}

    return wrong


def _channels(values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


def _channels_last(features: np.ndarray) -> np.ndarray:
    """The same values to numpy, which follows strides; other ones to who reads the memory as it lies."""
    return np.ascontiguousarray(features.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _not_resized(mask: np.ndarray) -> np.ndarray:
    """What lies in the corner of a frame five times as large as the mask prompt."""
    nearest = np.arange(mask.shape[-1]) // 5
    return mask[..., nearest, :][..., nearest]


def _half_a_cell_off(_: Tensors, outputs: Tensors) -> Tensors:
    logits = np.asarray(outputs["mask_logits"], np.float32)
    moved = np.concatenate([logits[..., :1], logits[..., :-1]], -1)
    return {"mask_logits": (logits + moved) / 2}


def _rounded_down(inputs: Tensors, outputs: Tensors) -> Tensors:
    iou, score = (np.asarray(inputs[name], np.float64) for name in ("iou", "object_score"))
    level = np.floor(QUALITY_LEVELS * iou / (1 + np.exp(-score))) / QUALITY_LEVELS
    quality, age = outputs[f"{NEXT}slot_quality"], outputs[f"{NEXT}slot_age"]
    return {f"{NEXT}slot_quality": np.where(age == 0, level, quality)}


def _next(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Run], Run]:
    return _answered(MEMORY_ENCODER, lambda _, outputs: {NEXT + name: change(outputs[NEXT + name])})


def _not_counted(inputs: Tensors, outputs: Tensors) -> Tensors:
    return {
        NEXT + name: np.where(outputs[NEXT + name] > 0, inputs[name], outputs[NEXT + name])
        for name in ("slot_age", "pointer_age")
    }


def _swapped(first: str, second: str) -> Callable[[Tensors, Tensors], Tensors]:
    return lambda _, outputs: {first: outputs[second], second: outputs[first]}


LOOP_FAULTS: tuple[Fault, ...] = (
    loop_fault("range", "the image in 0..1 for 0..255", _given(IMAGE_ENCODER, image=lambda image: image / 255)),
    loop_fault("bgr", "BGR for RGB", _given(IMAGE_ENCODER, image=lambda image: image[:, ::-1])),
    loop_fault(
        "mean-std",
        "mean and standard deviation not applied",
        _given(IMAGE_ENCODER, image=lambda image: image * _channels(IMAGENET_STD) + _channels(IMAGENET_MEAN)),
    ),
    loop_fault("transposed", "height and width exchanged", _given(IMAGE_ENCODER, image=lambda i: i.swapaxes(2, 3))),
    loop_fault("late-features", "features of the frame before", _previous_features),
    loop_fault("late-bank", "memory attention reads the bank one frame stale", _remembering(lambda _, old: old)),
    loop_fault(
        "late-pointers",
        "memory attention reads the pointers of the frame before",
        _remembering(lambda _, old: {"pointers": old["pointers"]}),
    ),
    loop_fault(
        "no-feedback",
        "the bank is not fed back",
        _answered(MEMORY_ENCODER, lambda inputs, _: {NEXT + name: inputs[name] for name in BANK}),
    ),
    loop_fault(
        "channels-last",
        "the image encoder's outputs lie channels-last in memory",
        _answered(IMAGE_ENCODER, lambda _, outputs: {name: _channels_last(value) for name, value in outputs.items()}),
    ),
    loop_fault("reused-outputs", "outputs overwritten by the program's next call", _reused_outputs),
    loop_fault(
        "tokens-permuted",
        "tokens change places, their coordinates do not",
        _next("memory_tokens", lambda tokens: tokens[:, ::-1]),
    ),
    loop_fault("xy-swapped", "x and y of the tokens exchanged", _next("memory_xy", lambda xy: xy[..., ::-1])),
    loop_fault("ages-stay", "ages of slots and pointers not counted", _answered(MEMORY_ENCODER, _not_counted)),
    loop_fault(
        "quality-ignored",
        "every frame is remembered as a perfect one",
        _given(MEMORY_ENCODER, iou=np.ones_like, object_score=lambda score: np.full_like(score, 10)),
    ),
    loop_fault("quality-floored", "qualities rounded down to a level", _answered(MEMORY_ENCODER, _rounded_down)),
    loop_fault(
        "pointers-rotated",
        "each pointer in its neighbour's place",
        _given(MEMORY_ATTENTION, pointers=lambda pointers: np.roll(pointers, 1, axis=1)),
    ),
    loop_fault(
        "prompt-untold", "the memory encoder is not told of prompts", _given(MEMORY_ENCODER, is_prompted=np.zeros_like)
    ),
    loop_fault(
        "mask-unresized", "the mask prompt's corner for the whole", _given(MASK_DECODER, mask_prompt=_not_resized)
    ),
    loop_fault(
        "mask-nearest",
        "the mask prompt resized by nearest",
        _given(MASK_DECODER, mask_prompt=lambda mask: (mask >= 0.5).astype(mask.dtype)),
    ),
    loop_fault("half-cell", "mask logits half a cell to the right", _answered(MASK_DECODER, _half_a_cell_off)),
    loop_fault(
        "score-sign",
        "the object score's sign flipped",
        _answered(MASK_DECODER, lambda _, outputs: {"object_score": -outputs["object_score"]}),
    ),
    loop_fault(
        "outputs-swapped", "iou and object_score exchanged", _answered(MASK_DECODER, _swapped("iou", "object_score"))
    ),
)
