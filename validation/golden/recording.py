"""Recording golden vectors: each program, the preprocessing and the loop trace, as the reference runtimes give them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.core.manifest import GOLDEN_INDEX
from tinysam2.data.tracked import TrackedFrame
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.validation.golden.preprocessing import record_preprocessing
from tinysam2.validation.golden.tensors import TensorWriter
from tinysam2.validation.golden.trace import CORRECTED, HEIGHT, WIDTH, TraceFrame, golden_trace
from tinysam2.validation.parity.gates import PARITY_LIMITS
from tinysam2.validation.parity.recording import Call, RecordingBackend

GOLDEN_VERSION = 1
"""Raised when a field of the index changes its meaning or goes."""

TENSORS = "golden/tensors.safetensors"
"""Its path in a bundle."""


def record_artifacts(bundle: Path, cards: Sequence[ArtifactCard]) -> None:
    """Records the golden vectors of the artifacts that lie in a bundle's folder."""
    backends = {card.target: load_artifacts(card.target_entry, bundle) for card in cards}
    record_golden(backends, {card.target: card.precision for card in cards}, bundle)


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
            "preprocessing": record_preprocessing(config, trace, writer),
            "programs": _programs(backends, precisions, calls, writer),
            "trace": {
                "width": WIDTH,
                "height": HEIGHT,
                "frames": [_frame(number, frame, writer) for number, frame in enumerate(trace)],
                "results": {target: _results(target, found, writer) for target, found in tracked.items()},
                "tolerance": {target: _tolerance(precisions[target]) for target in backends},
            },
        }
    (bundle / GOLDEN_INDEX).parent.mkdir(parents=True, exist_ok=True)
    index["tensors"] = writer.write(bundle / TENSORS)
    (bundle / GOLDEN_INDEX).write_text(json.dumps(index, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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
