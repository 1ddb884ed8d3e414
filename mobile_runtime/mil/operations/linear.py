"""Matrix products and attention (MIL iOS15 and iOS17 linear operations, iOS18 attention)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import register


def summed_as(weight: Tensor, x: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Input and bias in the weight's own type, in which products are summed: fp64 for int8."""
    return x.to(weight.dtype), None if bias is None else bias.to(weight.dtype)


@register("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x.to(weight.dtype), weight, bias.to(weight.dtype))


@register("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: bool, transpose_y: bool) -> Tensor:
    x, _ = summed_as(y, x, None)
    return torch.matmul(x.mT if transpose_x else x, y.mT if transpose_y else y)


@register("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    return torch.einsum(equation, *values)


@register("scaled_dot_product_attention")
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    # Not F.scaled_dot_product_attention: its fused kernels sum in another order than the definition.
    scores = torch.matmul(query, key.mT) / query.shape[-1] ** 0.5
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return torch.matmul(torch.softmax(scores, -1), value)
