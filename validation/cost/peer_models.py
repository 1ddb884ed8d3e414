"""SAM 2.1-tiny and EdgeTAM as `transformers` builds them from their published configurations, cut into our programs.

Sources: facebookresearch/sam2 `sam2.1_hiera_t.yaml`; facebookresearch/EdgeTAM as `transformers` converts it
(`convert_edgetam_video_to_hf.py`). No weights are needed: they are random, or nothing but shapes on the meta device.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER

SAM2_TINY, EDGETAM = "SAM 2.1-tiny", "EdgeTAM"

SIZE, GRID, CHANNELS, MEMORY_CHANNELS = 1024, 64, 256, 64
FRAMES, POINTERS = 7, 16
POINTER_TOKENS = POINTERS * CHANNELS // MEMORY_CHANNELS

LATENTS: dict[str, Any] = {"perceiver_resampler_num_latents": 256, "perceiver_resampler_num_latents_2d": 256}
"""EdgeTAM's memory tokens of one frame, global and local."""

TOKENS = {SAM2_TINY: FRAMES * GRID**2, EDGETAM: FRAMES * sum(LATENTS.values())}
"""Memory tokens of a full bank."""

Call = tuple[Callable[..., object], dict[str, Tensor]]
"""A program and its inputs by name."""


def missing() -> str | None:
    """What to install where there is no `transformers`, or one that has no EdgeTAM yet; None where all is there."""
    found = importlib.util.find_spec
    if found("transformers") and found("transformers.models.edgetam_video"):
        return None
    return (
        "SAM 2.1-tiny and EdgeTAM are left out: they need transformers, 5.23 or newer, which is not installed; "
        "install it with: pip install 'tinysam2[tflite]'"
    )


def build_sam2_tiny() -> Any:
    """SAM 2.1 with the tiny Hiera trunk, and its dense memory of seven frames; on torch's current default device."""
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
    return transformers.Sam2VideoModel(config).eval()


def build_edgetam() -> Any:
    """EdgeTAM: two memory-attention layers, and 256 global and 256 local latents a frame.

    Its vision encoder is another one than EdgeTAM's, which `transformers` takes from timm.
    """
    import transformers

    config = transformers.EdgeTamVideoConfig(
        memory_attention_num_layers=2,
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
        **LATENTS,
    )
    return transformers.EdgeTamVideoModel(config).eval()


BUILDERS: dict[str, Callable[[], Any]] = {SAM2_TINY: build_sam2_tiny, EDGETAM: build_edgetam}
"""Name -> what builds the model, on torch's current default device."""


def frame_calls(name: str, model: Any) -> dict[str, Call]:
    """What each program of a peer runs on a frame without a prompt and with a full bank, on inputs of shapes alone.

    EdgeTAM has no image encoder here; see `build_edgetam`.
    """
    layout = {"num_spatial_memory_tokens": FRAMES} if name == EDGETAM else {}
    calls = _calls(model, TOKENS[name], **layout)
    return {program: call for program, call in calls.items() if (name, program) != (EDGETAM, IMAGE_ENCODER)}


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

    with torch.device("meta"):
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
