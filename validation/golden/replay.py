"""Replaying golden vectors: through a backend here, as host code does on a device, with the same results."""

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np

from tinysam2.data.preprocessing import Preprocessor
from tinysam2.data.prompts import Box, Point, Prompt
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.scoring.metrics import mask_iou, sqnr_db
from tinysam2.validation.golden.preprocessing import replay_preprocessing
from tinysam2.validation.golden.reading import Golden


def replay(golden: Golden, target: str, backend: Backend) -> dict:
    """The results of one target: programs, preprocessing and trace, as `results.schema.json` has them."""
    with one_thread():
        return {
            "programs": list(_programs(golden, target, backend)),
            "preprocessing": list(_preprocessing(golden, backend)),
            "trace": list(_trace(golden, target, backend)),
        }


def trace_prompts(golden: Golden, frame: Mapping) -> dict[int, Prompt]:
    """The prompts of one of the trace's frames, by object id."""
    return {
        int(object_id): Prompt(
            points=tuple(Point(x, y, bool(label)) for x, y, label in prompt["points"]),
            box=Box(*prompt["box"]) if prompt["box"] else None,
            mask=golden.tensors[prompt["mask"]] if prompt["mask"] else None,
        )
        for object_id, prompt in frame["prompts"].items()
    }


def digest(value: np.ndarray) -> str:
    """sha256 of a tensor's bytes, little-endian in C order."""
    return hashlib.sha256(np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes()).hexdigest()


def _programs(golden: Golden, target: str, backend: Backend) -> Iterator[dict]:
    for entry in golden.programs(target):
        program = entry["program"]
        shapes = {tensor.name: tensor.shape for tensor in backend.contract[program].inputs}
        inputs = {
            name: np.array(golden.tensors[tensor], np.float32).reshape(shapes[name])
            for name, tensor in entry["inputs"].items()
        }
        outputs = {name: np.asarray(value, np.float32) for name, value in backend.run(program, inputs).items()}
        sqnr: dict[str, float | None] = {}
        for name, tensor in entry["outputs"].items():
            expected = golden.tensors[tensor].reshape(outputs[name].shape)
            sqnr[name] = None if np.array_equal(expected, outputs[name]) else sqnr_db(expected, outputs[name])
        yield {
            "program": program,
            "sqnr_db": sqnr,
            "sha256": {name: digest(outputs[name]) for name in entry["outputs"]},
        }


def _preprocessing(golden: Golden, backend: Backend) -> Iterator[dict]:
    preprocessor = Preprocessor(backend.config.image_size, backend.config.mask_size)
    for index, entry in enumerate(golden.index["preprocessing"]):
        yield {"index": index, "equal": replay_preprocessing(entry, golden.tensors, preprocessor)}


def _trace(golden: Golden, target: str, backend: Backend) -> Iterator[dict]:
    tracker, trace = Tracker(backend), golden.index["trace"]
    for number, (step, expected) in enumerate(zip(trace["frames"], trace["results"][target], strict=True)):
        for object_id in step["remove"]:
            tracker.remove(object_id)
        ids = tracker.track(golden.tensors[step["frame"]], trace_prompts(golden, step)).ids
        reference = golden.tensors[expected["ids"]]
        yield {
            "frame": number,
            "ids_sha256": digest(ids),
            "iou": {
                object_id: mask_iou(reference == int(object_id), ids == int(object_id))
                for object_id in expected["objects"]
            },
        }
