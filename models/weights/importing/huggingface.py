"""Where the tensors of SAM 2.1 go, by their Hugging Face names. Source: `transformers` Sam2VideoModel.

Rules are tried in order.
"""

from collections.abc import Iterator

from tinysam2.models.weights.importing.rules import (
    RenamingRule,
    linear_to_conv,
    pairs_to_halves,
    pixel_shuffle_bias,
    pixel_shuffle_weight,
    to_rows,
    to_scalar,
    to_scale,
)
from tinysam2.models.weights.importing.sam2 import HIERA, HIERA_LATERALS, MORE_LAYERS, UNUSED_POSITION


def _attention(source: str, target: str) -> Iterator[RenamingRule]:
    """An attention's four projections."""
    yield RenamingRule(f"{source}.o_proj.{{p}}", f"{target}.out_proj.{{p}}")
    yield RenamingRule(f"{source}.{{rest}}", f"{target}.{{rest}}")


def _rotary_attention(source: str, target: str) -> Iterator[RenamingRule]:
    """The same in memory attention, where queries and keys are rotated."""
    yield RenamingRule(f"{source}.{{qk}}_proj.{{p}}", f"{target}.{{qk}}_proj.{{p}}", pairs_to_halves, why=MORE_LAYERS)
    yield RenamingRule(f"{source}.v_proj.{{p}}", f"{target}.v_proj.{{p}}", why=MORE_LAYERS)
    yield RenamingRule(f"{source}.o_proj.{{p}}", f"{target}.out_proj.{{p}}", why=MORE_LAYERS)


def _mlp(source: str, target: str, layers: int) -> Iterator[RenamingRule]:
    """An MLP, whose first and last layers have names of their own."""
    yield RenamingRule(f"{source}.proj_in.{{p}}", f"{target}.layers.0.{{p}}")
    for i in range(layers - 2):
        yield RenamingRule(f"{source}.layers.{i}.{{p}}", f"{target}.layers.{i + 1}.{{p}}")
    yield RenamingRule(f"{source}.proj_out.{{p}}", f"{target}.layers.{layers - 1}.{{p}}")


_TWO_WAY = "mask_decoder.transformer.layers.{n}"
_MEMORY_LAYER = "memory_attention.layers.{n}"

HUGGING_FACE = (
    RenamingRule("vision_encoder.backbone.{rest}", None, why=HIERA),
    RenamingRule("vision_encoder.neck.convs.{n}.{p}", None, why=HIERA_LATERALS),
    RenamingRule("mask_decoder.conv_s0.{p}", "image_encoder.project_s4.{p}"),
    RenamingRule("mask_decoder.conv_s1.{p}", "image_encoder.project_s8.{p}"),
    # Prompt encoder. Hugging Face stores the one matrix of the position encoding twice.
    RenamingRule("shared_image_embedding.positional_embedding", "mask_decoder.prompt_encoder.position.gaussian"),
    RenamingRule(
        "prompt_encoder.shared_embedding.positional_embedding",
        "mask_decoder.prompt_encoder.position.gaussian",
    ),
    RenamingRule("prompt_encoder.point_embed.weight", "mask_decoder.prompt_encoder.point.weight"),
    RenamingRule("prompt_encoder.not_a_point_embed.weight", "mask_decoder.prompt_encoder.not_a_point.weight"),
    RenamingRule("prompt_encoder.no_mask_embed.weight", "mask_decoder.prompt_encoder.no_mask.weight"),
    RenamingRule("prompt_encoder.mask_embed.conv{n}.{p}", "mask_decoder.prompt_encoder.mask.conv{n}.{p}"),
    RenamingRule("prompt_encoder.mask_embed.layer_norm{n}.{p}", "mask_decoder.prompt_encoder.mask.norm{n}.{p}"),
    RenamingRule("mask_downsample.weight", "mask_decoder.prompt_encoder.mask_scale", to_scale),
    RenamingRule("mask_downsample.bias", "mask_decoder.prompt_encoder.mask_bias", to_scalar),
    # Mask decoder
    RenamingRule("mask_decoder.obj_score_token.weight", "mask_decoder.object_token.weight"),
    RenamingRule("mask_decoder.iou_token.weight", "mask_decoder.iou_token.weight"),
    RenamingRule("mask_decoder.mask_tokens.weight", "mask_decoder.mask_tokens.weight"),
    *_attention(f"{_TWO_WAY}.self_attn", f"{_TWO_WAY}.self_attn"),
    *_attention(f"{_TWO_WAY}.cross_attn_token_to_image", f"{_TWO_WAY}.token_to_image"),
    *_attention(f"{_TWO_WAY}.cross_attn_image_to_token", f"{_TWO_WAY}.image_to_token"),
    *_attention("mask_decoder.transformer.final_attn_token_to_image", "mask_decoder.transformer.final_attn"),
    *_mlp(f"{_TWO_WAY}.mlp", f"{_TWO_WAY}.mlp", layers=2),
    RenamingRule(f"{_TWO_WAY}.layer_norm{{m}}.{{p}}", f"{_TWO_WAY}.norm{{m}}.{{p}}"),
    RenamingRule("mask_decoder.transformer.layer_norm_final_attn.{p}", "mask_decoder.transformer.norm_final.{p}"),
    RenamingRule("mask_decoder.upscale_conv{n}.weight", "mask_decoder.upscale{n}.conv.weight", pixel_shuffle_weight),
    RenamingRule("mask_decoder.upscale_conv{n}.bias", "mask_decoder.upscale{n}.conv.bias", pixel_shuffle_bias),
    RenamingRule("mask_decoder.upscale_layer_norm.{p}", "mask_decoder.upscale_norm.{p}"),
    *_mlp("mask_decoder.output_hypernetworks_mlps.{n}", "mask_decoder.hypernetworks.{n}", layers=3),
    *_mlp("mask_decoder.iou_prediction_head", "mask_decoder.iou_head", layers=3),
    *_mlp("mask_decoder.pred_obj_score_head", "mask_decoder.object_score_head", layers=3),
    *_mlp("object_pointer_proj", "mask_decoder.pointer", layers=3),
    RenamingRule("no_object_pointer", "mask_decoder.no_object_pointer"),
    # Memory attention
    *_rotary_attention(f"{_MEMORY_LAYER}.self_attn", f"{_MEMORY_LAYER}.self_attn"),
    *_rotary_attention(f"{_MEMORY_LAYER}.cross_attn_image", f"{_MEMORY_LAYER}.cross_attn"),
    RenamingRule(f"{_MEMORY_LAYER}.linear{{m}}.{{p}}", f"{_MEMORY_LAYER}.linear{{m}}.{{p}}", why=MORE_LAYERS),
    RenamingRule(f"{_MEMORY_LAYER}.layer_norm{{m}}.{{p}}", f"{_MEMORY_LAYER}.norm{{m}}.{{p}}", why=MORE_LAYERS),
    RenamingRule("memory_attention.layer_norm.{p}", "memory_attention.norm.{p}"),
    RenamingRule("no_memory_embedding", "memory_attention.no_memory", to_rows),
    RenamingRule("no_memory_positional_encoding", None, why=UNUSED_POSITION),
    RenamingRule("memory_temporal_positional_encoding", "memory_attention.temporal_position", to_rows),
    RenamingRule("temporal_positional_encoding_projection_layer.{p}", "memory_attention.pointer_position.{p}"),
    # Memory encoder
    RenamingRule(
        "memory_encoder.mask_downsampler.layers.{n}.conv.{p}", "memory_encoder.mask_downsampler.convs.{n}.{p}"
    ),
    RenamingRule(
        "memory_encoder.mask_downsampler.layers.{n}.layer_norm.{p}",
        "memory_encoder.mask_downsampler.norms.{n}.{p}",
    ),
    RenamingRule("memory_encoder.mask_downsampler.final_conv.{p}", "memory_encoder.mask_downsampler.projection.{p}"),
    RenamingRule("memory_encoder.feature_projection.{p}", "memory_encoder.feature_projection.{p}"),
    RenamingRule("memory_encoder.memory_fuser.layers.{n}.depthwise_conv.{p}", "memory_encoder.fuser.{n}.depthwise.{p}"),
    RenamingRule("memory_encoder.memory_fuser.layers.{n}.layer_norm.{p}", "memory_encoder.fuser.{n}.norm.{p}"),
    RenamingRule(
        "memory_encoder.memory_fuser.layers.{n}.pointwise_conv1.weight",
        "memory_encoder.fuser.{n}.expand.weight",
        linear_to_conv,
    ),
    RenamingRule("memory_encoder.memory_fuser.layers.{n}.pointwise_conv1.bias", "memory_encoder.fuser.{n}.expand.bias"),
    RenamingRule(
        "memory_encoder.memory_fuser.layers.{n}.pointwise_conv2.weight",
        "memory_encoder.fuser.{n}.reduce.weight",
        linear_to_conv,
    ),
    RenamingRule("memory_encoder.memory_fuser.layers.{n}.pointwise_conv2.bias", "memory_encoder.fuser.{n}.reduce.bias"),
    RenamingRule("memory_encoder.memory_fuser.layers.{n}.scale", "memory_encoder.fuser.{n}.scale"),
    RenamingRule("memory_encoder.projection.{p}", "memory_encoder.projection.{p}"),
    RenamingRule("occlusion_spatial_embedding_parameter", "memory_encoder.no_object"),
)
