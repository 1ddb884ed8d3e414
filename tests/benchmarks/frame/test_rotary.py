"""The peers' rotary attention, rewritten in real numbers and halves, gives what `transformers` gives."""

import pytest
import torch
import transformers

from benchmarks.frame.rotary import rewrite_memory_attention
from tinysam2.models.network.layers import QUERY_BLOCK

WIDTH, MEMORY_WIDTH, FRAMES, POINTER_TOKENS = 32, 64, 3, 8
LARGEST_ERROR = 2e-6
"""Of outputs of scale 1."""

SMALL = {
    "memory_attention_hidden_size": WIDTH,
    "memory_attention_num_layers": 2,
    "memory_attention_rope_feat_sizes": [8, 8],
}


def edgetam():
    config = transformers.EdgeTamVideoConfig(
        **SMALL, memory_attention_mlp_hidden_size=48, memory_attention_rope_k_sizes=[4, 4]
    )
    # Each frame's memory begins with latents that have no place in the image.
    tokens = FRAMES * (5 + 16)
    module = transformers.models.edgetam_video.modeling_edgetam_video.EdgeTamVideoMemoryAttention(config)
    return module, tokens, {"num_spatial_memory_tokens": FRAMES}


def sam2():
    config = transformers.Sam2VideoConfig(**SMALL, memory_attention_feed_forward_hidden_size=48)
    module = transformers.models.sam2_video.modeling_sam2_video.Sam2VideoMemoryAttention(config)
    return module, FRAMES * 64, {}


@pytest.mark.parametrize("peer", [edgetam, sam2])
def test_rewritten_memory_attention_equals_the_original(peer):
    torch.manual_seed(0)
    module, tokens, layout = peer()
    module.eval()
    module.config._attn_implementation = "eager"
    inputs = {
        "current_vision_features": torch.randn(64, 1, WIDTH),
        "current_vision_position_embeddings": torch.randn(64, 1, WIDTH),
        "memory": torch.randn(tokens + POINTER_TOKENS, 1, MEMORY_WIDTH),
        "memory_posision_embeddings": torch.randn(tokens + POINTER_TOKENS, 1, MEMORY_WIDTH),
        "num_object_pointer_tokens": POINTER_TOKENS,
    }
    for parameter in module.parameters():
        # The original draws small weights, which would hide what the rotation does.
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        original = module(**inputs, **layout)
        rewrite_memory_attention(module, FRAMES)
        rewritten = module(**inputs, **layout)
        turned = module(**(inputs | {"memory": inputs["memory"].flip(0)}), **layout)
    scale = original.abs().max()
    assert (rewritten - original).abs().max() / scale < LARGEST_ERROR
    # The order of the memory matters: positions are looked at.
    assert (turned - original).abs().max() / scale > 1000 * LARGEST_ERROR
    assert QUERY_BLOCK > 64
