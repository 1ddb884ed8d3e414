"""Quantization-aware convolution and linear layer, and their frozen forms of explicit quantize and dequantize.

Either takes the ReLU behind it along, where it has one: int8 kernels round once, behind that.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.ao.quantization.fx._decomposed import quantized_decomposed_lib  # noqa: F401 - registers the operators
from torch.nn import functional as F

from tinysam2.models.network.layers import WITH_RELU
from tinysam2.models.quantization.scales import (
    ACTIVATION_RANGE,
    WEIGHT_RANGE,
    activation_scale,
    by_channel,
    fake_quantized,
    fp16_scale,
    quantized_weight,
    weight_scales,
    whole_bias,
)

Layer = nn.Conv2d | nn.Linear


class ActivationQuantizer(nn.Module):
    """Rounds a tensor to int8 by one learned scale, and can watch what passes to set it.

    While `watching` it passes everything through and remembers the range; otherwise the tensor is rounded. The scale
    is learned by its logarithm, so that a step changes large and small ones alike (TQT, arXiv 1903.08066).
    """

    zero_point: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("zero_point", torch.tensor(0, dtype=torch.int32))
        self.watching = False
        self._low: list[float] = []
        self._high: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.watching:
            self._low.append(float(x.detach().amin()))
            self._high.append(float(x.detach().amax()))
            return x
        return fake_quantized(x, self.scale, self.zero_point.to(x.dtype), ACTIVATION_RANGE)

    @property
    def scale(self) -> Tensor:
        """The current scale, fp16-representable."""
        return fp16_scale(self.log_scale.exp())

    def set_from_calibration(self) -> None:
        """Sets scale and zero point from what was watched: the mean over calls of the lowest and highest values.

        A mean, because a single outlier on one frame should not coarsen every other.
        Raises RuntimeError where nothing passed.
        """
        if not self._low:
            raise RuntimeError("nothing passed this quantizer while it watched")
        low, high = sum(self._low) / len(self._low), sum(self._high) / len(self._high)
        scale, zero_point = activation_scale(low, high)
        self.log_scale.data.fill_(math.log(scale))
        self.zero_point.fill_(zero_point)
        self._low, self._high = [], []

    def qparams(self) -> tuple[float, int]:
        """Scale (fp16-representable) and zero point, as numbers."""
        return float(self.scale.detach()), int(self.zero_point)


class QuantizedLayer(nn.Module):
    """A convolution or linear layer whose weights, and with `activations` its input and output, are int8.

    Quantizing directly before and behind the layer is what runtimes recognise as an int8 layer. Weight scales
    follow the weights; activation scales are learned. `rounds_output`: False where the only reader of its output is
    an int8 layer, whose input is rounded just so. Switched off (`active`), it is the float layer.
    """

    def __init__(self, layer: Layer, activations: bool, rounds_output: bool = True) -> None:
        super().__init__()
        self.layer = layer
        self.active = True
        self.input = ActivationQuantizer() if activations else None
        self.output = ActivationQuantizer() if activations and rounds_output else None

    def forward(self, x: Tensor) -> Tensor:
        if not self.active:
            return self.layer(x)
        x = self.layer(self.input(x)) if self.input is not None and self.input.watching else self._rounded(x)
        return x if self.output is None else self.output(x)

    def _rounded(self, x: Tensor) -> Tensor:
        weight, bias, scale = self.layer.weight, self.layer.bias, weight_scales(self.layer.weight)
        if self.input is not None:
            x = self.input(x)
            bias = None if bias is None else whole_bias(bias, self.input.scale, scale)
        scale = by_channel(scale, weight)
        weight = fake_quantized(weight, scale, torch.zeros_like(scale), WEIGHT_RANGE)
        apply = _application(self.layer)
        return apply(x, weight, bias) if self.training else _summed_exactly(apply, x, weight, bias)


class FrozenLayer(nn.Module):
    """The inference form of a `QuantizedLayer`: int8 weights and explicit quantize and dequantize operators.

    like: a layer with the same strides, padding, groups and ReLU. weight: int8; weight_scale: [O]. bias: in whole
    multiples of input scale times weight scale. input_qparams, output_qparams: scale and zero point of input and
    output; None where it is not rounded: both where only the weights are quantized. with_relu: whether it has a ReLU.
    stores_int8: whether the weight is kept as int8 and dequantized (Core ML, ExecuTorch), or kept in float, quantized
    and dequantized (LiteRT, whose converter recognises nothing else): the integers are the same.
    """

    weight: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor
    bias: Tensor | None
    input_scale: Tensor | None
    input_zero_point: Tensor | None
    output_scale: Tensor | None
    output_zero_point: Tensor | None

    def __init__(
        self,
        like: Layer,
        weight: Tensor,
        weight_scale: Tensor,
        bias: Tensor | None,
        input_qparams: tuple[float, int] | None,
        output_qparams: tuple[float, int] | None,
    ) -> None:
        super().__init__()
        self.apply_weight = _application(like)
        self.with_relu = isinstance(like, WITH_RELU)
        self.stores_int8 = True
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("weight_zero_point", torch.zeros(len(weight_scale), dtype=torch.int64), persistent=False)
        self.register_buffer("bias", bias)
        for side, at in (("input", input_qparams), ("output", output_qparams)):
            self.register_buffer(f"{side}_scale", None if at is None else torch.tensor(at[0]))
            self.register_buffer(f"{side}_zero_point", None if at is None else torch.tensor(at[1], dtype=torch.int32))
        self._take_numbers()
        self.register_load_state_dict_post_hook(lambda layer, _: layer._take_numbers())

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.input_qparams is None else _rounded(x, *self.input_qparams)
        weight, bias = self._weight(), self.bias
        if torch.compiler.is_exporting():
            x = self.apply_weight(x, weight, bias)
        else:
            x = _summed_exactly(self.apply_weight, x, weight, bias)
        return x if self.output_qparams is None else _rounded(x, *self.output_qparams)

    def use_float_weight(self) -> None:
        """Keeps the weight in float from now on, and quantizes it on the way."""
        self.weight = self.weight.float() * by_channel(self.weight_scale, self.weight)
        self.stores_int8 = False

    def _take_numbers(self) -> None:
        # An exported graph holds scales as numbers, not as tensors that it reads.
        self.input_qparams = _numbers(self.input_scale, self.input_zero_point)
        self.output_qparams = _numbers(self.output_scale, self.output_zero_point)

    def _weight(self) -> Tensor:
        operators = torch.ops.quantized_decomposed
        qparams = (self.weight_scale, self.weight_zero_point, 0, *WEIGHT_RANGE, torch.int8)
        weight = self.weight if self.stores_int8 else operators.quantize_per_channel(self.weight, *qparams)
        return operators.dequantize_per_channel(weight, *qparams)


def frozen(layer: QuantizedLayer) -> FrozenLayer:
    """The inference form of a layer as it stands."""
    scale = weight_scales(layer.layer.weight)
    input_qparams = None if layer.input is None else layer.input.qparams()
    bias = None if layer.layer.bias is None else layer.layer.bias.detach().clone()
    if bias is not None and input_qparams is not None:
        bias = whole_bias(bias, input_qparams[0], scale)
    return FrozenLayer(
        layer.layer,
        quantized_weight(layer.layer.weight.detach(), scale),
        scale,
        bias,
        input_qparams,
        None if layer.output is None else layer.output.qparams(),
    )


def _numbers(scale: Tensor | None, zero_point: Tensor | None) -> tuple[float, int] | None:
    return None if scale is None or zero_point is None else (float(scale), int(zero_point))


def _application(like: Layer) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """What a layer does with an input, a weight and a bias, its ReLU with it."""
    apply = F.linear
    if isinstance(like, nn.Conv2d):
        options = {"stride": like.stride, "padding": like.padding, "dilation": like.dilation, "groups": like.groups}
        apply = functools.partial(F.conv2d, **options)
    return functools.partial(_then_relu, apply) if isinstance(like, WITH_RELU) else apply


def _summed_exactly(apply: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Products of int8 numbers, summed in float64, which is as exact as the int32 of kernels.

    float32 would now and then turn a value that lies between two integers, and the layers behind make much of one.
    """
    return apply(x.double(), weight.double(), None if bias is None else bias.double()).float()


def _then_relu(apply: Callable[..., Tensor], *arguments: Tensor | None) -> Tensor:
    return F.relu(apply(*arguments))


def _rounded(x: Tensor, scale: float, zero_point: int) -> Tensor:
    operators = torch.ops.quantized_decomposed
    qparams = (scale, zero_point, *ACTIVATION_RANGE, torch.int8)
    return operators.dequantize_per_tensor(operators.quantize_per_tensor(x, *qparams), *qparams)
