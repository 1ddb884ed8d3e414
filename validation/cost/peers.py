"""SAM 2.1-tiny and EdgeTAM, built by `transformers` from their published configurations and counted as ours is.

Sources: facebookresearch/sam2 `sam2.1_hiera_t.yaml`; facebookresearch/EdgeTAM as `transformers` converts it
(`convert_edgetam_video_to_hf.py`).
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tinysam2.core.config import DENSE_BANK, REPVIT_VARIANTS, ModelConfig
from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.validation.cost.count import SHAPES_ONLY, ModelCost, ProgramCost, Weights, count_program, model_cost

SIZE, GRID, CHANNELS, MEMORY_CHANNELS = 1024, 64, 256, 64
FRAMES, POINTERS = 7, 16
POINTER_TOKENS = POINTERS * CHANNELS // MEMORY_CHANNELS

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


def missing() -> str | None:
    """What to install where there is no `transformers`, or one that has no EdgeTAM yet; None where all is there."""
    found = importlib.util.find_spec
    if found("transformers") and found("transformers.models.edgetam_video"):
        return None
    return (
        "SAM 2.1-tiny and EdgeTAM are left out: they need transformers, 5.23 or newer, which is not installed; "
        "install it with: pip install 'tinysam2[tflite]'"
    )


def sam2_tiny() -> PeerCost:
    """SAM 2.1 with the tiny Hiera trunk, and its dense memory of seven frames."""
    import transformers

    trunk = transformers.Sam2HieraDetConfig(
        hidden_size=96,
        num_attention_heads=1,
        blocks_per_stage=[1, 2, 7, 2],
        embed_dim_per_stage=[96, 192, 384, 768],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 14, 7],
        global_attention_blocks=[5, 7, 9],
    )
    config = transformers.Sam2VideoConfig(
        vision_config=transformers.Sam2VisionConfig(backbone_config=trunk), memory_attention_num_layers=4
    )
    with SHAPES_ONLY:
        model = transformers.Sam2VideoModel(config).eval()
    tokens = FRAMES * GRID**2
    programs, fused = _counted(model, _calls(model, tokens))
    return PeerCost(
        cost=ModelCost(
            name="SAM 2.1-tiny",
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
    """EdgeTAM: two memory-attention layers, and 256 global and 256 local latents a frame.

    Its image encoder is the same RepViT-M1, neck and projections as ours, of which ours is counted.
    """
    import transformers

    latents: dict[str, Any] = {"perceiver_resampler_num_latents": 256, "perceiver_resampler_num_latents_2d": 256}
    config = transformers.EdgeTamVideoConfig(
        memory_attention_num_layers=2,
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
        **latents,
    )
    with SHAPES_ONLY:
        model = transformers.EdgeTamVideoModel(config).eval()
    tokens = FRAMES * sum(latents.values())
    calls = _calls(model, tokens, num_spatial_memory_tokens=FRAMES)
    # The encoder in this configuration is another one: transformers takes EdgeTAM's from timm.
    del calls[IMAGE_ENCODER]
    ours = model_cost(ModelConfig("RepViT-M1", SIZE, REPVIT_VARIANTS["m1"], bank=DENSE_BANK))
    encoder = {IMAGE_ENCODER: ours.programs[IMAGE_ENCODER]}
    programs, fused = (encoder | counted for counted in _counted(model, calls))
    folded = ours.trained_parameters - ours.parameters
    return PeerCost(
        cost=ModelCost(
            name="EdgeTAM",
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


PEERS: Mapping[str, Callable[[], PeerCost]] = {"SAM 2.1-tiny": sam2_tiny, "EdgeTAM": edgetam}
"""Name -> what counts it; each builds the model on the meta device, so that no weights are needed."""


Call = tuple[Callable[..., object], dict[str, Tensor]]


def _calls(model: Any, tokens: int, **layout: int) -> dict[str, Call]:
    """What each program runs on a frame without a prompt and with a full bank, and on what inputs.

    layout: what else memory attention is told of its tokens.
    """

    def image_encoder(image: Tensor) -> object:
        return list(model.get_image_features(image).fpn_hidden_states)

    def memory_attention(features: Tensor, position: Tensor, memory: Tensor, memory_position: Tensor) -> object:
        return model.memory_attention(
            current_vision_features=features,
            current_vision_position_embeddings=position,
            memory=memory,
            memory_posision_embeddings=memory_position,
            num_object_pointer_tokens=POINTER_TOKENS,
            **layout,
        )

    def mask_decoder(features: Tensor, features_s8: Tensor, features_s4: Tensor) -> object:
        decoded = model._single_frame_forward(
            image_embeddings=[features_s4, features_s8, features], multimask_output=True
        )
        return decoded.high_res_masks, decoded.iou_scores, decoded.object_score_logits, decoded.object_pointer

    def memory_encoder(features: Tensor, mask: Tensor, object_score: Tensor) -> object:
        return model._encode_new_memory(features, mask, object_score, is_mask_from_pts=False)

    with SHAPES_ONLY:
        image, mask = torch.empty(1, 3, SIZE, SIZE), torch.empty(1, 1, SIZE, SIZE)
        rows = torch.empty(GRID**2, 1, CHANNELS)
        memory = torch.empty(tokens + POINTER_TOKENS, 1, MEMORY_CHANNELS)
        features = torch.empty(1, CHANNELS, GRID, GRID)
        features_s8 = torch.empty(1, CHANNELS // 4, 2 * GRID, 2 * GRID)
        features_s4 = torch.empty(1, CHANNELS // 8, 4 * GRID, 4 * GRID)
        score = torch.empty(1, 1, 1)
    attended = {"features": rows, "position": rows, "memory": memory, "memory_position": memory}
    decoded = {"features": features, "features_s8": features_s8, "features_s4": features_s4}
    return {
        IMAGE_ENCODER: (image_encoder, {"image": image}),
        MEMORY_ATTENTION: (memory_attention, attended),
        MASK_DECODER: (mask_decoder, decoded),
        MEMORY_ENCODER: (memory_encoder, {"features": rows, "mask": mask, "object_score": score}),
    }


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
