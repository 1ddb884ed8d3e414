"""Recording golden vectors: each program, the preprocessing and the loop trace, as the reference runtimes give them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.data.prompts import Prompt, prompt_tensors
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker, image_tensor, tracked_object
from tinysam2.validation.golden.tensors import TensorWriter
from tinysam2.validation.golden.trace import CORRECTED, HEIGHT, WIDTH, TraceFrame, golden_trace
from tinysam2.validation.parity.gates import PARITY_LIMITS
from tinysam2.validation.parity.recording import Call, RecordingBackend

GOLDEN_VERSION = 1
"""Raised when a field of the index changes its meaning or goes."""

FOLDER = "golden"
INDEX, TENSORS = f"{FOLDER}/index.json", f"{FOLDER}/tensors.safetensors"
"""In the bundle."""

WIDE = (520, 24)
"""Width and height of a picture that is shrunk across and enlarged down."""


def record_golden(backends: Mapping[str, Backend], precisions: Mapping[str, str], bundle: Path) -> None:
    """Writes golden/index.json and golden/tensors.safetensors into a bundle's folder.

    backends: of one model, by target; precisions: theirs, which set the tolerances. Every target's programs run on the
    inputs that the first target met on its own trace. The same backends give the same bytes.
    """
    trace, writer = golden_trace(), TensorWriter()
    config = next(iter(backends.values())).config
    tracked: dict[str, list[TrackedFrame]] = {}
    calls: list[Call] = []
    first = next(iter(backends))
    with one_thread():
        for target, backend in backends.items():
            recorder = RecordingBackend(backend)
            tracked[target] = follow_trace(recorder, trace, calls if target == first else None)
        index = {
            "golden_version": GOLDEN_VERSION,
            "tensors_file": TENSORS,
            "preprocessing": _preprocessing(config, trace, writer),
            "programs": _programs(backends, precisions, calls, writer),
            "trace": {
                "width": WIDTH,
                "height": HEIGHT,
                "frames": [_frame(number, frame, writer) for number, frame in enumerate(trace)],
                "results": {target: _results(target, found, writer) for target, found in tracked.items()},
                "tolerance": {target: _tolerance(precisions[target]) for target in backends},
            },
        }
    (bundle / FOLDER).mkdir(parents=True, exist_ok=True)
    index["tensors"] = writer.write(bundle / TENSORS)
    (bundle / INDEX).write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def follow_trace(
    backend: RecordingBackend, trace: Sequence[TraceFrame], calls: list[Call] | None = None
) -> list[TrackedFrame]:
    """The objects on each frame of the trace. calls: is filled with those of the corrected frame."""
    tracker, found = Tracker(backend), []
    for number, step in enumerate(trace):
        for object_id in step.remove:
            tracker.remove(object_id)
        found.append(tracker.track(step.frame, step.prompts))
        taken = backend.take()
        if calls is not None and number == CORRECTED:
            calls += taken
    return found


def _programs(
    backends: Mapping[str, Backend], precisions: Mapping[str, str], calls: Sequence[Call], writer: TensorWriter
) -> list[dict]:
    """An entry a call and target: the prompted object's and the other's."""
    entries = []
    for number, call in enumerate(calls):
        inputs, prefix = {}, f"program/{number}/{call.program}"
        for name, value in call.inputs.items():
            # An image is whole numbers of a byte: a quarter of the size.
            stored = value.astype(np.uint8) if name == "image" else np.asarray(value, np.float32)
            inputs[name] = writer.add(f"{prefix}/{name}", stored)
        for target, backend in backends.items():
            limits = PARITY_LIMITS[precisions[target]]
            outputs = backend.run(call.program, call.inputs)
            entries.append(
                {
                    "target": target,
                    "program": call.program,
                    "inputs": inputs,
                    "outputs": {
                        name: writer.add(f"{prefix}/{target}/{name}", np.asarray(value, np.float32))
                        for name, value in outputs.items()
                    },
                    "least_sqnr_db": limits.encoder_sqnr_db if call.program == IMAGE_ENCODER else limits.sqnr_db,
                }
            )
    return entries


def _preprocessing(config: ModelConfig, trace: Sequence[TraceFrame], writer: TensorWriter) -> list[dict]:
    """Frames to the model's input, enlarged and shrunk; a mask prompt; logits to a frame's mask."""
    entries = []

    def add(kind: str, value: np.ndarray, result: np.ndarray) -> None:
        name = f"preprocessing/{len(entries)}"
        entries.append(
            {"kind": kind, "input": writer.add(f"{name}/input", value), "output": writer.add(f"{name}/output", result)}
        )

    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (*WIDE[::-1], 3), dtype=np.uint8)
    for frame in (trace[CORRECTED].frame, wide):
        add("image", frame, image_tensor(frame, config.image_size)[0].astype(np.uint8))
    for mask in (prompt.mask for step in trace for prompt in step.prompts.values() if prompt.mask is not None):
        size = mask.shape[::-1]
        tensors = prompt_tensors(Prompt(mask=mask), size, config.image_size, config.mask_size)
        add("mask_prompt", mask, tensors["mask_prompt"][0, 0])
    waves = np.sin(np.arange(config.mask_size) * 0.37)
    logits = (10 * waves[:, None] * waves[None]).astype(np.float32)
    decoded = {"mask_logits": logits[None, None], "iou": np.ones(1), "object_score": np.ones(1)}
    for width, height in ((WIDTH, HEIGHT), (41, 150)):
        add("mask", logits, tracked_object(decoded, width, height).mask.astype(np.uint8))
    return entries


def _frame(number: int, step: TraceFrame, writer: TensorWriter) -> dict:
    prompts = {}
    for object_id, prompt in step.prompts.items():
        box, mask = prompt.box, prompt.mask
        prompts[str(object_id)] = {
            "points": [[point.x, point.y, int(point.positive)] for point in prompt.points],
            "box": [box.x0, box.y0, box.x1, box.y1] if box else None,
            "mask": None if mask is None else writer.add(f"trace/{number}/mask/{object_id}", mask),
        }
    return {
        "frame": writer.add(f"trace/{number}/frame", step.frame),
        "remove": list(step.remove),
        "prompts": prompts,
    }


def _results(target: str, found: Sequence[TrackedFrame], writer: TensorWriter) -> list[dict]:
    return [
        {
            "ids": writer.add(f"trace/{number}/{target}/ids", frame.ids),
            "objects": {
                str(object_id): {"iou": tracked.iou, "object_score": tracked.object_score}
                for object_id, tracked in frame.objects.items()
            },
        }
        for number, frame in enumerate(found)
    ]


def _tolerance(precision: str) -> dict:
    limits = PARITY_LIMITS[precision]
    return {"least_mean_iou": limits.mean_iou, "least_iou": limits.min_iou}
