"""Mask decoder: prompt tokens and image features attend to each other; masks, scores and a pointer come out.

Source: SAM 2 `MaskDecoder`, `TwoWayTransformer`, and the head's choices of `_forward_sam_heads`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinysam2.core.config import ModelConfig
from tinysam2.models.network.layers import MLP, LayerNorm2d, Upsample2x, attend, one_hot, stable_rank
from tinysam2.models.network.position import fourier_of_grid
from tinysam2.models.network.prompt_encoder import FramePrompt, PromptEncoder

MASK_OUTPUTS = 4
"""One mask for an unambiguous prompt, three for an ambiguous one."""

NO_OBJECT_LOGIT = -1024.0
"""Mask logit everywhere when the object is not in the frame. Source: SAM 2 `NO_OBJ_SCORE`."""

STABILITY_DELTA = 0.05
STABILITY_THRESHOLD = 0.98
"""SAM 2's `dynamic_multimask_via_stability`: below this, the single mask gives way to the best of three."""

MASK_PROMPT_LOGIT = 10.0
"""Logit of a mask prompt's inside when it is the frame's answer. Source: SAM 2 `_use_mask_as_output`."""

MASK_PROMPT_MARGIN = 0.01
"""Taken off a mask prompt's logits: where the enlarged mask is half object, half ground, they would be 0, which
runtimes round to either side."""


class Attention(nn.Module):
    """Multi-head attention with an inner width of dim / downsample: [B, Q, dim] -> [B, Q, dim]."""

    def __init__(self, dim: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        inner = dim // downsample
        self.heads = heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(dim, inner)
        self.v_proj = nn.Linear(dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """mask: additive, [B, K]."""
        q, k, v = (
            x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)
            for x in (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        )
        attended = attend(q, k, v, None if mask is None else mask[:, None, None])
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class TwoWayLayer(nn.Module):
    """Tokens attend to themselves and to the image, then the image to the tokens."""

    def __init__(self, dim: int, heads: int, feedforward_dim: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.token_to_image = Attention(dim, heads, downsample=2)
        self.image_to_token = Attention(dim, heads, downsample=2)
        self.mlp = MLP(dim, feedforward_dim, dim, 2)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)

    def forward(
        self, tokens: Tensor, image: Tensor, token_position: Tensor, image_position: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens, mask)
        else:
            query = tokens + token_position
            tokens = tokens + self.self_attn(query, query, tokens, mask)
        tokens = self.norm1(tokens)
        query, key = tokens + token_position, image + image_position
        tokens = self.norm2(tokens + self.token_to_image(query, key, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        query = tokens + token_position
        image = self.norm4(image + self.image_to_token(key, query, tokens, mask))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """tokens [B, n, C], image [B, C, G, G], its position in rows [1, G * G, C], token mask [B, n] -> tokens, which
    `norm_final` is still to be applied to, and image rows."""

    def __init__(self, dim: int, heads: int, feedforward_dim: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(dim, heads, feedforward_dim, first=i == 0) for i in range(layers))
        self.final_attn = Attention(dim, heads, downsample=2)
        self.norm_final = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, image: Tensor, position: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        image = image.flatten(2).transpose(1, 2)
        token_position = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_position, position, mask)
        attended = self.final_attn(tokens + token_position, image + position, image)
        return tokens + attended, image


class MaskCandidates(NamedTuple):
    """All that the decoder predicts: masks [B, 4, 4G, 4G] in logits, ious [B, 4] in 0..1, tokens [B, 4, C],
    object_score [B, 1] in logits."""

    masks: Tensor
    ious: Tensor
    tokens: Tensor
    object_score: Tensor


class DecodedFrame(NamedTuple):
    """The frame's answer, as the contract names it: mask_logits [B, 1, 4G, 4G], iou [B, 1], object_score [B, 1],
    object_pointer [B, C]."""

    mask_logits: Tensor
    iou: Tensor
    object_score: Tensor
    object_pointer: Tensor


class MaskDecoder(nn.Module):
    """conditioned [B, C, G, G], features_s8 [B, C/4, 2G, 2G], features_s4 [B, C/8, 4G, 4G] and the frame's prompt
    -> its answer: four masks are predicted and one is chosen, or a mask prompt is passed on with its pointer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.hidden_dim
        self.grid = config.grid
        self.prompt_encoder = PromptEncoder(config)
        self.object_token = nn.Embedding(1, dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(MASK_OUTPUTS, dim)
        self.transformer = TwoWayTransformer(
            dim, config.decoder_heads, config.decoder_feedforward_dim, config.decoder_layers
        )
        self.upscale1 = Upsample2x(dim, dim // 4)
        self.upscale_norm = LayerNorm2d(dim // 4)
        self.upscale2 = Upsample2x(dim // 4, dim // 8)
        self.hypernetworks = nn.ModuleList(MLP(dim, dim, dim // 8, 3) for _ in range(MASK_OUTPUTS))
        self.iou_head = MLP(dim, dim, MASK_OUTPUTS, 3)
        self.object_score_head = MLP(dim, dim, 1, 3)
        # Objects are there far more often than not; an untrained decoder starts from that.
        nn.init.constant_(self.object_score_head.layers[-1].get_parameter("bias"), 2.0)
        self.pointer = MLP(dim, dim, dim, 3)
        self.no_object_pointer = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, dim), std=0.02))

    def forward(
        self, conditioned: Tensor, features_s8: Tensor, features_s4: Tensor, prompt: FramePrompt
    ) -> DecodedFrame:
        return self.choose(self.candidates(conditioned, features_s8, features_s4, prompt), prompt)

    def grid_tables(self) -> Tensor:
        """What the positions of the grid's cells are made from, [4, G, C / 2]."""
        return self.prompt_encoder.position.grid_tables(self.grid)

    def candidates(
        self,
        conditioned: Tensor,
        features_s8: Tensor,
        features_s4: Tensor,
        prompt: FramePrompt,
        tables: Tensor | None = None,
    ) -> MaskCandidates:
        """Everything the decoder predicts, before a choice is made: what training looks at.

        tables: `grid_tables`, where they were computed before.
        """
        batch = conditioned.shape[0]
        points, point_mask = self.prompt_encoder.points(prompt.point_coords, prompt.point_labels)
        own = torch.cat([self.object_token.weight, self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own[None].expand(batch, -1, -1), points], dim=1)
        mask = torch.cat([torch.zeros_like(point_mask[:, :1]).expand(-1, own.shape[0]), point_mask], dim=1)
        image = conditioned + self.prompt_encoder.masks(prompt.mask_prompt, prompt.has_mask)
        tables = self.grid_tables() if tables is None else tables
        # 1 on every frame, which no converter knows: it would fold the positions into a constant of the grid's size.
        always = (prompt.has_mask[:1, :, None] >= 0).to(tables.dtype)
        tokens, image = self.transformer(tokens, image, fourier_of_grid(always * tables), mask)

        image = image.transpose(1, 2).reshape(conditioned.shape)
        image = F.gelu(self.upscale_norm(self.upscale1(image) + features_s8))
        image = F.gelu(self.upscale2(image) + features_s4)
        # A norm and a product for each token: sliced behind one norm, or joined before one product, int8 heads would
        # have to share a rounding.
        norm = self.transformer.norm_final
        object_token, iou_token, *mask_tokens = (norm(tokens[:, i : i + 1]) for i in range(2 + MASK_OUTPUTS))
        pixels = image.flatten(2)
        masks = [mlp(token) @ pixels for mlp, token in zip(self.hypernetworks, mask_tokens, strict=True)]
        return MaskCandidates(
            torch.cat(masks, dim=1).reshape(batch, MASK_OUTPUTS, *image.shape[2:]),
            torch.sigmoid(self.iou_head(iou_token[:, 0])),
            torch.cat(mask_tokens, dim=1),
            self.object_score_head(object_token[:, 0]),
        )

    def choose(self, candidates: MaskCandidates, prompt: FramePrompt) -> DecodedFrame:
        """The frame's one answer. At most one point is ambiguous and takes the best of three masks by predicted
        IoU; more points take the single mask, unless it is unstable. A mask prompt is taken as it is."""
        masks, ious, tokens, predicted_score = candidates
        has_mask, mask_prompt = prompt.has_mask, prompt.mask_prompt
        ambiguous = ((prompt.point_labels >= 0).to(ious.dtype).sum(1, keepdim=True) <= 1).to(ious.dtype)
        best_of_three = F.pad((stable_rank(ious[:, 1:]) == 0).to(ious.dtype), (1, 0))
        single = one_hot(torch.zeros_like(ambiguous[:, 0]), MASK_OUTPUTS)
        stable = _is_stable(masks[:, 0])
        by_token = ambiguous * best_of_three + (1 - ambiguous) * single
        by_mask = ambiguous * best_of_three + (1 - ambiguous) * (stable * single + (1 - stable) * best_of_three)
        predicted_mask = (masks * by_mask[:, :, None, None]).sum(1, keepdim=True)
        predicted_iou = (ious * by_mask).sum(1, keepdim=True)
        token = (tokens * by_token[:, :, None]).sum(1)

        predicted = (predicted_score > 0).to(ious.dtype)
        seen = predicted[:, :, None, None]
        predicted_mask = seen * predicted_mask + (1 - seen) * NO_OBJECT_LOGIT

        drawn = (mask_prompt.amax((2, 3)) > 0).to(ious.dtype)
        prompted_mask = (2 * mask_prompt - 1) * MASK_PROMPT_LOGIT - MASK_PROMPT_MARGIN
        appears = predicted * (1 - has_mask * (1 - drawn))
        given = has_mask[:, :, None, None]
        return DecodedFrame(
            given * prompted_mask + (1 - given) * predicted_mask,
            has_mask + (1 - has_mask) * predicted_iou,
            has_mask * (2 * drawn - 1) * MASK_PROMPT_LOGIT + (1 - has_mask) * predicted_score,
            appears * self.pointer(token) + (1 - appears) * self.no_object_pointer,
        )


def _is_stable(mask: Tensor) -> Tensor:
    """Whether a mask [B, H, W] hardly changes with the threshold: [B, 1] of 0 or 1."""
    inside = (mask > STABILITY_DELTA).to(mask.dtype).mean((1, 2))
    outside = (mask > -STABILITY_DELTA).to(mask.dtype).mean((1, 2))
    # Without any positive pixel SAM 2 calls the mask stable: 0 >= 0.
    return (inside >= STABILITY_THRESHOLD * outside).to(mask.dtype)[:, None]
