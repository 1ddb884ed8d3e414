"""The program contract: names, shapes and dtypes of the four exported programs, written once.

Everything that exports, converts, runs or checks a program reads its tensors from here. All tensors are float32
to the outside; each says its unit. Source: SAM 2's track step, cut where the recurrence closes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tinysam2.core.config import ModelConfig

IMAGE_ENCODER = "image_encoder"
MEMORY_ATTENTION = "memory_attention"
MASK_DECODER = "mask_decoder"
MEMORY_ENCODER = "memory_encoder"

NEXT = "next_"
"""Begins the name of an output that is fed back as the input named without it."""

MAX_POINTS = 4
"""Points that one frame's prompt may have; a box counts as two."""

PADDING_LABEL = -1.0
NEGATIVE_LABEL = 0.0
POSITIVE_LABEL = 1.0
BOX_TOP_LEFT_LABEL = 2.0
BOX_BOTTOM_RIGHT_LABEL = 3.0

AGES = ("slot_age", "pointer_age")
"""The bank's tensors that tell age, and with it which slots and pointers hold anything."""

EMPTY_AGE = -1.0
"""Age of a slot or pointer that holds nothing; an empty bank is zeros but for this."""

MAX_AGE = 1024.0
"""Age in frames at which counting stops, so that it stays exact in fp16 however long the video is."""

QUALITY_LEVELS = 16
"""Levels that a slot's quality is kept in: whole sixteenths, which fp16 and int8 hold exactly."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape, dtype and meaning of one tensor at a program's border."""

    name: str
    shape: tuple[int, ...]
    meaning: str
    dtype: str = "float32"


@dataclass(frozen=True)
class ProgramSpec:
    """One exported program: its inputs and outputs, in order."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.outputs)


def empty_value(tensor: str) -> float:
    """What fills a tensor of the bank, by its name, while nothing is remembered."""
    return EMPTY_AGE if tensor in AGES else 0.0


def bank_spec(config: ModelConfig) -> tuple[TensorSpec, ...]:
    """The memory bank of one object: fixed-shape tensors that the app feeds back from frame to frame."""
    slots, pointers = config.bank.slots, config.bank.pointers
    return (
        TensorSpec("memory_tokens", (1, config.memory_tokens, config.memory_dim), "compressed memories, by slot"),
        TensorSpec("memory_xy", (1, config.memory_tokens, 2), "x, y of each token in cells of the feature grid"),
        TensorSpec("slot_quality", (1, slots), "quality of each slot's frame, 0..1 in sixteenths"),
        TensorSpec("slot_age", (1, slots), "frames since each slot was written; -1: empty"),
        TensorSpec("pointers", (1, pointers, config.hidden_dim), "object pointers"),
        TensorSpec("pointer_age", (1, pointers), "frames since each pointer was written; -1: empty"),
    )


def program_contract(config: ModelConfig) -> Mapping[str, ProgramSpec]:
    """The four programs in the order in which a frame calls them."""
    size, channels, grid, mask = config.image_size, config.hidden_dim, config.grid, config.mask_size
    image = TensorSpec("image", (1, 3, size, size), "RGB, 0..255")
    features = TensorSpec("features", (1, channels, grid, grid), "stride-16 features")
    features_s8 = TensorSpec("features_s8", (1, channels // 4, 2 * grid, 2 * grid), "stride-8 features")
    features_s4 = TensorSpec("features_s4", (1, channels // 8, 4 * grid, 4 * grid), "stride-4 features")
    conditioned = TensorSpec("conditioned", (1, channels, grid, grid), "features conditioned on the memory bank")
    has_mask = TensorSpec("has_mask", (1, 1), "1: mask_prompt is this frame's mask; 0: it is ignored")
    decoded = (
        TensorSpec("mask_logits", (1, 1, mask, mask), "object above 0"),
        TensorSpec("iou", (1, 1), "predicted IoU of the mask, 0..1"),
        TensorSpec("object_score", (1, 1), "logit of the object being in the frame"),
        TensorSpec("object_pointer", (1, channels), "the object's token"),
    )
    bank = bank_spec(config)
    programs = (
        ProgramSpec(IMAGE_ENCODER, (image,), (features, features_s8, features_s4)),
        ProgramSpec(MEMORY_ATTENTION, (features, has_mask, *bank), (conditioned,)),
        ProgramSpec(
            MASK_DECODER,
            (
                conditioned,
                features_s8,
                features_s4,
                TensorSpec("point_coords", (1, MAX_POINTS, 2), "x, y in pixels of the input image"),
                TensorSpec(
                    "point_labels",
                    (1, MAX_POINTS),
                    "1 object, 0 background, 2 and 3 a box's corners, -1 no point; points come first",
                ),
                TensorSpec("mask_prompt", (1, 1, mask, mask), "share of each cell that the object covers, 0..1"),
                has_mask,
            ),
            decoded,
        ),
        ProgramSpec(
            MEMORY_ENCODER,
            (
                features,
                *decoded,
                TensorSpec("is_prompted", (1, 1), "1: the frame had a prompt and becomes the conditioning frame"),
                *bank,
            ),
            tuple(replace(tensor, name=NEXT + tensor.name) for tensor in bank),
        ),
    )
    return {program.name: program for program in programs}
