"""What is lowered: this model's programs, its peers', and the matrix products that bound them all."""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.frame.rotary import rewrite_memory_attention
from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import AGES, ProgramSpec, TensorSpec, program_contract
from tinysam2.core.targets import INT8
from tinysam2.models.network.layers import WITH_RELU, attend
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.conversion import calibrate, freeze, quantization_aware
from tinysam2.models.quantization.layers import ActivationQuantizer, FrozenLayer, QuantizedLayer, frozen
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE
from tinysam2.models.weights.checkpoint import SEEDED_TERMS, LoadedModel, load_model, shipped_weights, weights_digest
from tinysam2.validation.cost.peer_models import BUILDERS, Call, frame_calls

SEED = 2605

IN_BLOCKS = "in_blocks"
"""The name under which `transformers` finds `_attention_in_blocks`."""

GEMM, GEMM_LAYERS, GEMM_SIDE = "gemm", 4, 1024
"""As many linear layers in a row, each of a product of two square matrices of that side."""


class OneProgram(nn.Module):
    """A function of named tensors in the form that converters take a program; it returns a tuple."""

    def __init__(self, name: str, module: nn.Module, call: Any, inputs: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.module = module
        self.call = call
        self.spec = ProgramSpec(name, tuple(TensorSpec(key, tuple(x.shape), "") for key, x in inputs.items()), ())

    def forward(self, **inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.call(**inputs)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


def frame_inputs(config: ModelConfig) -> dict[str, dict[str, Tensor]]:
    """Program -> the inputs of a frame without a prompt and with a full bank; random, and the same on every machine."""
    generator = torch.Generator().manual_seed(SEED)

    def value(spec: TensorSpec) -> Tensor:
        noise = torch.rand(spec.shape, generator=generator)
        if spec.name in AGES:
            return torch.arange(spec.shape[1], dtype=torch.float32).expand(spec.shape).contiguous()
        ranges = {"image": 255, "memory_xy": config.grid - 1, "iou": 1, "slot_quality": 1, "point_coords": 1}
        if spec.name in ("has_mask", "is_prompted", "mask_prompt"):
            return torch.zeros(spec.shape)
        if spec.name == "point_labels":
            return -torch.ones(spec.shape)
        return ranges[spec.name] * noise if spec.name in ranges else 4 * noise - 2

    contract = program_contract(config)
    return {name: {spec.name: value(spec) for spec in program.inputs} for name, program in contract.items()}


def own_model(config: ModelConfig, precision: str, checkpoint: str | None = None) -> LoadedModel:
    """The model at a precision; in int8 without a checkpoint and without shipped weights, one that is calibrated on
    noise: as fast as any other, and good for nothing else. Raises InputError where the checkpoint cannot be used."""
    quantized = precision == INT8
    if checkpoint or not quantized or shipped_weights(config.name, quantized=True):
        return load_model(config, checkpoint, quantized)
    variant = quantization_aware(load_model(config).model, DEFAULT_RECIPE).eval()
    calibrate(variant, _run_frame)
    model = freeze(variant)
    digest = weights_digest(model.state_dict())
    return LoadedModel(model, "seeded weights, scales from noise", False, digest, DEFAULT_RECIPE, SEEDED_TERMS)


def _run_frame(model: TinySAM2) -> None:
    """One frame through a model whose image encoder is fused already."""
    inputs = frame_inputs(model.config)
    for name, program in build_programs(model).items():
        # Those of a copy would be watched in vain.
        program.module = getattr(model, name)
        program(**inputs[name])


def peer_programs(name: str, precision: str = "fp32", lowered: bool = True) -> dict[str, OneProgram]:
    """Program -> a peer's, with random weights.

    lowered: rewritten, to the same outputs, as converters lower it well; otherwise as `transformers` has it, with
    PyTorch's fused attention. int8: every convolution and linear layer, its scales from noise.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = BUILDERS[name]()
        model.set_attn_implementation(_in_blocks() if lowered else "sdpa")
        if lowered:
            rewrite_memory_attention(model.memory_attention)
        calls = frame_calls(name, model)
        if precision == INT8:
            _quantize(model, calls)
    return {program: OneProgram(program, model, *call).eval() for program, call in calls.items()}


def noise_like(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Normal noise of the inputs' shapes, the same on every machine."""
    generator = torch.Generator().manual_seed(SEED)
    return {key: torch.randn(x.shape, generator=generator) for key, x in inputs.items()}


def gemm_program(precision: str) -> OneProgram:
    """Nothing but large matrix products: what a runtime reaches at best.

    In int8 the layers hand integers on; only the first input is rounded and only the last output is turned to float.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        layers = nn.Sequential(*(nn.Linear(GEMM_SIDE, GEMM_SIDE) for _ in range(GEMM_LAYERS)))
        inputs = {"x": torch.empty(1, GEMM_SIDE, GEMM_SIDE, device="meta")}
        program = OneProgram(GEMM, layers, lambda x: layers(x), inputs)
        if precision == INT8:
            _quantize(layers, {GEMM: (program.call, inputs)})
            for first, second in itertools.pairwise(layers):
                second.input_qparams = first.output_qparams
    return program.eval()


GEMM_MACS = GEMM_LAYERS * GEMM_SIDE**3


def use_float_weights(module: nn.Module) -> None:
    """Puts frozen layers, in place, into the form that LiteRT's converter takes."""
    for layer in module.modules():
        if isinstance(layer, FrozenLayer):
            layer.use_float_weight()


def _quantize(model: nn.Module, calls: Mapping[str, Call]) -> None:
    """Replaces a model's convolutions and linear layers by frozen int8 ones, in place, calibrated by its calls."""
    for owner, attribute, layer in _children(model, (nn.Conv2d, nn.Linear)):
        # In int8, the layer that reads what a ReLU leaves rounds it.
        setattr(owner, attribute, QuantizedLayer(layer, True, rounds_output=not isinstance(layer, WITH_RELU)))
    quantizers = [module for module in model.modules() if isinstance(module, ActivationQuantizer)]
    for quantizer in quantizers:
        quantizer.watching = True
    with torch.no_grad():
        for call, inputs in calls.values():
            call(**noise_like(inputs))
    for quantizer in quantizers:
        quantizer.watching = False
    for owner, attribute, layer in _children(model, QuantizedLayer):
        setattr(owner, attribute, _frozen(layer))


def _frozen(layer: QuantizedLayer) -> nn.Module:
    """A calibrated layer's inference form; the float layer where a frame without a prompt does not reach it."""
    try:
        for quantizer in filter(None, (layer.input, layer.output)):
            quantizer.set_from_calibration()
    except RuntimeError:
        return layer.layer
    return frozen(layer)


def _children(model: nn.Module, kinds: type | tuple[type, ...]) -> list[tuple[nn.Module, str, Any]]:
    """Every module of some kinds, with its owner and its name there."""
    return [
        (owner, name, child)
        for owner in list(model.modules())
        if not isinstance(owner, QuantizedLayer)
        for name, child in list(owner.named_children())
        if isinstance(child, kinds)
    ]


def _in_blocks() -> str:
    from transformers import AttentionInterface

    AttentionInterface.register(IN_BLOCKS, _attention_in_blocks)
    return IN_BLOCKS


def _attention_in_blocks(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: object
) -> tuple[Tensor, None]:
    """Attention as our programs have it: [B, heads, n, d] -> [B, n, heads, d]."""
    return attend(query, key, value, attention_mask).transpose(1, 2), None
