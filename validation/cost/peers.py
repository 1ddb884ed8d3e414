"""SAM 2.1-tiny and EdgeTAM (`peer_models`), counted as ours is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tinysam2.core.config import DENSE_BANK, REPVIT_VARIANTS, ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.validation.cost.count import SHAPES_ONLY, ModelCost, ProgramCost, Weights, count_program, model_cost
from tinysam2.validation.cost.peer_models import (
    CHANNELS,
    EDGETAM,
    MEMORY_CHANNELS,
    POINTERS,
    SAM2_TINY,
    SIZE,
    TOKENS,
    Call,
    build_edgetam,
    build_sam2_tiny,
    frame_calls,
)

PARTS = {
    IMAGE_ENCODER: ("vision_encoder.", "mask_decoder.conv_s0.", "mask_decoder.conv_s1."),
    MEMORY_ATTENTION: (
        "memory_attention.",
        "memory_temporal_positional_encoding",
        "no_memory_",
        "temporal_positional_encoding_projection_layer.",
    ),
    MASK_DECODER: (
        "mask_decoder.",
        "prompt_encoder.",
        "shared_image_embedding.",
        "mask_downsample.",
        "object_pointer_proj.",
        "no_object_pointer",
    ),
    MEMORY_ENCODER: ("memory_encoder.", "spatial_perceiver.", "occlusion_spatial_embedding_parameter"),
}
"""Program -> how the names of its weights begin in `transformers`; a weight belongs to the first that fits."""

ONE_OPERATOR = "one_operator"
"""The name under which `transformers` finds `_attention_as_one_operator`."""


@dataclass(frozen=True)
class PeerCost:
    """A peer's cost, and what was published of it.

    fused_peak_bytes: peak activations by program where attention is one operator that keeps no scores.
    published_parameters: None where its authors give no count. source: of the configuration and that count.
    """

    cost: ModelCost
    fused_peak_bytes: Mapping[str, int]
    published_parameters: int | None
    source: str


def sam2_tiny() -> PeerCost:
    """SAM 2.1 with the tiny Hiera trunk, and its dense memory of seven frames."""
    with SHAPES_ONLY:
        model = build_sam2_tiny()
    tokens = TOKENS[SAM2_TINY]
    programs, fused = _counted(model, frame_calls(SAM2_TINY, model))
    return PeerCost(
        cost=ModelCost(
            name=SAM2_TINY,
            image_size=SIZE,
            programs=programs,
            trained_parameters=Weights.of(model).parameter_count(),
            memory_tokens=tokens,
            bank_values=_bank_values(tokens),
        ),
        fused_peak_bytes={name: program.peak_activation_bytes for name, program in fused.items()},
        published_parameters=38_900_000,
        source="https://github.com/facebookresearch/sam2#sam-21-checkpoints",
    )


def edgetam() -> PeerCost:
    """EdgeTAM; its image encoder is the same RepViT-M1, neck and projections as ours, of which ours is counted."""
    with SHAPES_ONLY:
        model = build_edgetam()
    tokens = TOKENS[EDGETAM]
    ours = model_cost(ModelConfig("RepViT-M1", SIZE, REPVIT_VARIANTS["m1"], bank=DENSE_BANK))
    encoder = {IMAGE_ENCODER: ours.programs[IMAGE_ENCODER]}
    programs, fused = (encoder | counted for counted in _counted(model, frame_calls(EDGETAM, model)))
    folded = ours.trained_parameters - ours.parameters
    return PeerCost(
        cost=ModelCost(
            name=EDGETAM,
            image_size=SIZE,
            programs=programs,
            trained_parameters=folded + sum(program.parameters for program in programs.values()),
            memory_tokens=tokens,
            bank_values=_bank_values(tokens),
        ),
        fused_peak_bytes={name: program.peak_activation_bytes for name, program in fused.items()},
        published_parameters=None,
        source="https://github.com/facebookresearch/EdgeTAM",
    )


PEERS: Mapping[str, Callable[[], PeerCost]] = {SAM2_TINY: sam2_tiny, EDGETAM: edgetam}
"""Name -> what counts it; each builds the model on the meta device, so that no weights are needed."""


def _counted(model: Any, calls: Mapping[str, Call]) -> Iterator[dict[str, ProgramCost]]:
    """The programs twice: with attention written out as in our programs, and as one operator."""
    from transformers import AttentionInterface

    AttentionInterface.register(ONE_OPERATOR, _attention_as_one_operator)
    weights = Weights.of(model)
    for attention in ("eager", ONE_OPERATOR):
        model.set_attn_implementation(attention)
        yield {name: count_program(*call, weights.only(_owned_by(name))) for name, call in calls.items()}


def _owned_by(name: str) -> Callable[[str], bool]:
    return lambda key: _owner(key) == name


def _owner(key: str) -> str:
    """The program that a weight belongs to."""
    return next(name for name, beginnings in PARTS.items() if key.startswith(beginnings))


def _bank_values(tokens: int) -> int:
    """Values in one object's full bank: memory tokens and object pointers."""
    return tokens * MEMORY_CHANNELS + POINTERS * CHANNELS


def _attention_as_one_operator(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: object
) -> tuple[Tensor, None]:
    """Attention as a fused kernel computes it: [B, heads, n, d] -> [B, n, heads, d]."""
    operator = torch.ops.aten._scaled_dot_product_efficient_attention
    attended, *_ = operator(query, key, value, attention_mask, compute_log_sumexp=False)
    return attended.transpose(1, 2), None
