"""Where the tensors of SAM 2.1 and EdgeTAM go, by the names of the original repositories.

Source: facebookresearch/sam2 and facebookresearch/EdgeTAM. Rules are tried in order.
"""

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

HIERA = "SAM 2.1's Hiera trunk; TinySAM 2's is RepViT"
HIERA_LATERALS = "laterals over SAM 2.1's Hiera trunk; TinySAM 2's is RepViT"
_PERCEIVER = "EdgeTAM's perceiver; TinySAM 2 pools and selects memory tokens instead"
MORE_LAYERS = "a memory-attention layer beyond those of the preset"
UNUSED_POSITION = "not used by SAM 2.1 itself, which adds the no-memory embedding directly"

_HEADS = (
    RenamingRule("sam_mask_decoder.conv_s0.{p}", "image_encoder.project_s4.{p}"),
    RenamingRule("sam_mask_decoder.conv_s1.{p}", "image_encoder.project_s8.{p}"),
    # Prompt encoder
    RenamingRule(
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "mask_decoder.prompt_encoder.position.gaussian",
    ),
    RenamingRule("sam_prompt_encoder.point_embeddings.{n}.weight", "mask_decoder.prompt_encoder.point.weight[{n}]"),
    RenamingRule("sam_prompt_encoder.not_a_point_embed.weight", "mask_decoder.prompt_encoder.not_a_point.weight"),
    RenamingRule("sam_prompt_encoder.no_mask_embed.weight", "mask_decoder.prompt_encoder.no_mask.weight"),
    RenamingRule("sam_prompt_encoder.mask_downscaling.0.{p}", "mask_decoder.prompt_encoder.mask.conv1.{p}"),
    RenamingRule("sam_prompt_encoder.mask_downscaling.1.{p}", "mask_decoder.prompt_encoder.mask.norm1.{p}"),
    RenamingRule("sam_prompt_encoder.mask_downscaling.3.{p}", "mask_decoder.prompt_encoder.mask.conv2.{p}"),
    RenamingRule("sam_prompt_encoder.mask_downscaling.4.{p}", "mask_decoder.prompt_encoder.mask.norm2.{p}"),
    RenamingRule("sam_prompt_encoder.mask_downscaling.6.{p}", "mask_decoder.prompt_encoder.mask.conv3.{p}"),
    RenamingRule("mask_downsample.weight", "mask_decoder.prompt_encoder.mask_scale", to_scale),
    RenamingRule("mask_downsample.bias", "mask_decoder.prompt_encoder.mask_bias", to_scalar),
    # Mask decoder
    RenamingRule("sam_mask_decoder.obj_score_token.weight", "mask_decoder.object_token.weight"),
    RenamingRule("sam_mask_decoder.iou_token.weight", "mask_decoder.iou_token.weight"),
    RenamingRule("sam_mask_decoder.mask_tokens.weight", "mask_decoder.mask_tokens.weight"),
    RenamingRule(
        "sam_mask_decoder.transformer.layers.{n}.cross_attn_token_to_image.{rest}",
        "mask_decoder.transformer.layers.{n}.token_to_image.{rest}",
    ),
    RenamingRule(
        "sam_mask_decoder.transformer.layers.{n}.cross_attn_image_to_token.{rest}",
        "mask_decoder.transformer.layers.{n}.image_to_token.{rest}",
    ),
    RenamingRule("sam_mask_decoder.transformer.layers.{n}.{rest}", "mask_decoder.transformer.layers.{n}.{rest}"),
    RenamingRule(
        "sam_mask_decoder.transformer.final_attn_token_to_image.{rest}",
        "mask_decoder.transformer.final_attn.{rest}",
    ),
    RenamingRule("sam_mask_decoder.transformer.norm_final_attn.{p}", "mask_decoder.transformer.norm_final.{p}"),
    RenamingRule(
        "sam_mask_decoder.output_upscaling.0.weight",
        "mask_decoder.upscale1.conv.weight",
        pixel_shuffle_weight,
    ),
    RenamingRule("sam_mask_decoder.output_upscaling.0.bias", "mask_decoder.upscale1.conv.bias", pixel_shuffle_bias),
    RenamingRule("sam_mask_decoder.output_upscaling.1.{p}", "mask_decoder.upscale_norm.{p}"),
    RenamingRule(
        "sam_mask_decoder.output_upscaling.3.weight",
        "mask_decoder.upscale2.conv.weight",
        pixel_shuffle_weight,
    ),
    RenamingRule("sam_mask_decoder.output_upscaling.3.bias", "mask_decoder.upscale2.conv.bias", pixel_shuffle_bias),
    RenamingRule("sam_mask_decoder.output_hypernetworks_mlps.{rest}", "mask_decoder.hypernetworks.{rest}"),
    RenamingRule("sam_mask_decoder.iou_prediction_head.{rest}", "mask_decoder.iou_head.{rest}"),
    RenamingRule("sam_mask_decoder.pred_obj_score_head.{rest}", "mask_decoder.object_score_head.{rest}"),
    RenamingRule("obj_ptr_proj.{rest}", "mask_decoder.pointer.{rest}"),
    RenamingRule("no_obj_ptr", "mask_decoder.no_object_pointer"),
    # Memory attention
    RenamingRule(
        "memory_attention.layers.{n}.self_attn.{qk}_proj.{p}",
        "memory_attention.layers.{n}.self_attn.{qk}_proj.{p}",
        pairs_to_halves,
        why=MORE_LAYERS,
    ),
    RenamingRule(
        "memory_attention.layers.{n}.cross_attn_image.{qk}_proj.{p}",
        "memory_attention.layers.{n}.cross_attn.{qk}_proj.{p}",
        pairs_to_halves,
        why=MORE_LAYERS,
    ),
    RenamingRule(
        "memory_attention.layers.{n}.cross_attn_image.{rest}",
        "memory_attention.layers.{n}.cross_attn.{rest}",
        why=MORE_LAYERS,
    ),
    RenamingRule("memory_attention.layers.{n}.{rest}", "memory_attention.layers.{n}.{rest}", why=MORE_LAYERS),
    RenamingRule("memory_attention.norm.{p}", "memory_attention.norm.{p}"),
    RenamingRule("no_mem_embed", "memory_attention.no_memory", to_rows),
    RenamingRule("no_mem_pos_enc", None, why=UNUSED_POSITION),
    # Row r is the frame r + 1 steps back, the last row the conditioning frame: ours are numbered alike.
    RenamingRule("maskmem_tpos_enc", "memory_attention.temporal_position", to_rows),
    RenamingRule("obj_ptr_tpos_proj.{p}", "memory_attention.pointer_position.{p}"),
    # Memory encoder
    *(
        rule
        for i in range(4)
        for rule in (
            RenamingRule(
                f"memory_encoder.mask_downsampler.encoder.{3 * i}.{{p}}",
                f"memory_encoder.mask_downsampler.convs.{i}.{{p}}",
            ),
            RenamingRule(
                f"memory_encoder.mask_downsampler.encoder.{3 * i + 1}.{{p}}",
                f"memory_encoder.mask_downsampler.norms.{i}.{{p}}",
            ),
        )
    ),
    RenamingRule("memory_encoder.mask_downsampler.encoder.12.{p}", "memory_encoder.mask_downsampler.projection.{p}"),
    RenamingRule("memory_encoder.pix_feat_proj.{p}", "memory_encoder.feature_projection.{p}"),
    RenamingRule("memory_encoder.fuser.layers.{n}.dwconv.{p}", "memory_encoder.fuser.{n}.depthwise.{p}"),
    RenamingRule("memory_encoder.fuser.layers.{n}.norm.{p}", "memory_encoder.fuser.{n}.norm.{p}"),
    RenamingRule(
        "memory_encoder.fuser.layers.{n}.pwconv1.weight",
        "memory_encoder.fuser.{n}.expand.weight",
        linear_to_conv,
    ),
    RenamingRule("memory_encoder.fuser.layers.{n}.pwconv1.bias", "memory_encoder.fuser.{n}.expand.bias"),
    RenamingRule(
        "memory_encoder.fuser.layers.{n}.pwconv2.weight",
        "memory_encoder.fuser.{n}.reduce.weight",
        linear_to_conv,
    ),
    RenamingRule("memory_encoder.fuser.layers.{n}.pwconv2.bias", "memory_encoder.fuser.{n}.reduce.bias"),
    RenamingRule("memory_encoder.fuser.layers.{n}.gamma", "memory_encoder.fuser.{n}.scale"),
    RenamingRule("memory_encoder.out_proj.{p}", "memory_encoder.projection.{p}"),
    RenamingRule("no_obj_embed_spatial", "memory_encoder.no_object"),
)

SAM2 = (
    RenamingRule("image_encoder.trunk.{rest}", None, why=HIERA),
    RenamingRule("image_encoder.neck.convs.{n}.conv.{p}", None, why=HIERA_LATERALS),
    *_HEADS,
)

EDGETAM = (
    RenamingRule("image_encoder.trunk.body.stem.{rest}", "image_encoder.trunk.stem.{rest}", exact=True),
    RenamingRule("image_encoder.trunk.body.stages_{n}.{rest}", "image_encoder.trunk.stages.{n}.{rest}", exact=True),
    # The neck counts from the coarsest level, our laterals from the finest.
    *(
        RenamingRule(f"image_encoder.neck.convs.{i}.conv.{{p}}", f"image_encoder.laterals.{3 - i}.{{p}}")
        for i in range(4)
    ),
    RenamingRule("spatial_perceiver.{rest}", None, why=_PERCEIVER),
    *_HEADS,
)

EDGETAM_ADDS_NONE = (
    "memory_attention.pointer_position.weight",
    "memory_attention.pointer_position.bias",
    "memory_encoder.no_object",
)
"""What EdgeTAM leaves out of SAM 2.1: pointers get no position in time, absent objects no embedding in memory.

Source: transformers `convert_edgetam_video_to_hf.py`, which switches off
`enable_temporal_pos_encoding_for_object_pointers` and `enable_occlusion_spatial_embedding`.
"""
