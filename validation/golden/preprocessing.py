"""Golden vectors of the frame contract: frames, masks and logits, and what they become."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tinysam2.core.config import ModelConfig
from tinysam2.core.frame_contract import YUV_CONVERSIONS
from tinysam2.data.preprocessing import Preprocessor, frame_logits
from tinysam2.data.yuv import rgb_of_yuv420
from tinysam2.validation.golden.tensors import TensorReader, TensorWriter
from tinysam2.validation.golden.trace import CORRECTED, HEIGHT, WIDTH, TraceFrame

IMAGE, MASK_PROMPT, MASK, YUV = "image", "mask_prompt", "mask", "yuv420"

WIDE = (520, 24)
"""Width and height of a picture that is shrunk across and enlarged down."""

TALL = (41, 150)
"""Width and height of a mask in a portrait frame."""

CAMERA = (15, 11)
"""Width and height of a camera frame; both are odd, so that its last chroma belongs to a part of a block."""


def record_preprocessing(config: ModelConfig, trace: Sequence[TraceFrame], writer: TensorWriter) -> list[dict]:
    """The index's entries: images enlarged and shrunk, mask prompts, logits to masks, every YUV conversion."""
    preprocessor = Preprocessor(config.image_size, config.mask_size)
    entries = []
    for number, (entry, tensors, size) in enumerate(_inputs(config, trace)):
        result = preprocessed(entry["kind"], tensors, preprocessor, size, entry.get("conversion"))
        stored = {name: writer.add(f"preprocessing/{number}/{name}", value) for name, value in tensors.items()}
        entries.append({**entry, **stored, "output": writer.add(f"preprocessing/{number}/output", result)})
    return entries


def replay_preprocessing(entry: Mapping, tensors: TensorReader, preprocessor: Preprocessor) -> bool:
    """Whether the frame contract gives an entry's output here, to the bit."""
    names = ("y", "u", "v") if entry["kind"] == YUV else ("input",)
    expected = tensors[entry["output"]]
    size = expected.shape[1], expected.shape[0]
    given = {name: tensors[entry[name]] for name in names}
    found = preprocessed(entry["kind"], given, preprocessor, size, entry.get("conversion"))
    return np.array_equal(found, expected)


def preprocessed(
    kind: str,
    tensors: Mapping[str, np.ndarray],
    preprocessor: Preprocessor,
    size: tuple[int, int],
    conversion: str | None = None,
) -> np.ndarray:
    """What an entry's inputs become: an image uint8 [3, S, S], a mask prompt float32 [m, m], logits a mask uint8 [H, W]
    at `size` (width and height), YUV planes a frame uint8 [H, W, 3]."""
    if kind == IMAGE:
        return preprocessor.image_tensor(tensors["input"])[0].astype(np.uint8)
    if kind == MASK_PROMPT:
        return preprocessor.mask_prompt(tensors["input"])
    if kind == MASK:
        return (frame_logits(tensors["input"][None, None], *size) > 0).astype(np.uint8)
    return rgb_of_yuv420(tensors["y"], tensors["u"], tensors["v"], str(conversion))


def _inputs(
    config: ModelConfig, trace: Sequence[TraceFrame]
) -> Iterator[tuple[dict, dict[str, np.ndarray], tuple[int, int]]]:
    """Kind of each vector, its input tensors, and width and height of a mask's frame."""
    rng = np.random.default_rng(0)
    frame = (WIDTH, HEIGHT)
    for picture in (trace[CORRECTED].frame, rng.integers(0, 256, (*WIDE[::-1], 3), np.uint8)):
        yield {"kind": IMAGE}, {"input": picture}, frame
    for mask in (prompt.mask for step in trace for prompt in step.prompts.values() if prompt.mask is not None):
        yield {"kind": MASK_PROMPT}, {"input": mask}, frame
    waves = np.sin(np.arange(config.mask_size) * 0.37)
    logits = (10 * waves[:, None] * waves[None]).astype(np.float32)
    for size in (frame, TALL):
        yield {"kind": MASK}, {"input": logits}, size
    width, height = CAMERA
    half = (height + 1) // 2, (width + 1) // 2
    planes = {
        name: rng.integers(0, 256, shape, np.uint8) for name, shape in (("y", CAMERA[::-1]), ("u", half), ("v", half))
    }
    for conversion in YUV_CONVERSIONS:
        yield {"kind": YUV, "conversion": conversion}, planes, frame
