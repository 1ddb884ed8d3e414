"""What a model costs, counted without running it: parameters, multiply-accumulates, live activations, weight bytes.

One counter for everything: shapes alone pass through the operators that PyTorch would run, in its order.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import bank_spec, program_contract
from tinysam2.core.targets import INT8
from tinysam2.mobile_runtime.memory.liveness import Lifetime, fullest_moment
from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2

BYTES = {"fp32": 4, "fp16": 2}
PRECISIONS = (*BYTES, INT8)

SHAPES_ONLY = torch.device("meta")

BATCHED_PRODUCTS = (torch.ops.aten.bmm, torch.ops.aten.baddbmm)
"""What a product of two activations becomes; layers with weights become other operators."""

QUANTIZED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers whose weights take one byte a value in int8; everything else stays fp32."""


@dataclass
class _Storage:
    """Memory of a tensor and its views: its size, and the operators between which it is needed."""

    size: int
    born: int
    last_read: int


class OperatorCount(TorchDispatchMode):
    """Counts the operators that run within it, in their order, on tensors of the meta device.

    macs: multiply-accumulates of convolutions and matrix products; other operators count none.
    product_macs: those of products of two activations, as in attention.
    held: tensors that were there before and take no part in the peak: weights and inputs.
    """

    def __init__(self, held: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.macs = 0
        self.product_macs = 0
        self._operators = 0
        self._held = {tensor.untyped_storage() for tensor in held}
        self._storages: dict[torch.UntypedStorage, _Storage] = {}

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = operator(*args, **kwargs)
        if operations := flop_registry.get(operator._overloadpacket):
            macs = operations(*args, **kwargs, out_val=result) // 2
            self.macs += macs
            self.product_macs += macs * (operator._overloadpacket in BATCHED_PRODUCTS)
        self._touch((args, kwargs, result))
        self._operators += 1
        return result

    def peak_bytes(self, outputs: object) -> int:
        """The most bytes held at once, where a tensor is held from the operator that makes it to the last that
        reads it, and the outputs (tensors in any containers) to the end."""
        self._touch(outputs)
        held = (Lifetime("", storage.size, storage.born, storage.last_read) for storage in self._storages.values())
        return fullest_moment(held).bytes

    def _touch(self, tensors: object) -> None:
        for tensor in tree_iter(tensors):
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage()) not in self._held:
                new = _Storage(storage.nbytes(), self._operators, self._operators)
                self._storages.setdefault(storage, new).last_read = self._operators


@dataclass(frozen=True)
class Weights:
    """The tensors that a program brings along, by name.

    parameters: what training sets. constants: tables and statistics. quantized: the parameters that int8 stores
    in one byte a value, and their output channels.
    """

    parameters: Mapping[str, Tensor]
    constants: Mapping[str, Tensor]
    quantized: Mapping[str, int]

    @classmethod
    def of(cls, module: nn.Module) -> "Weights":
        """All of a module's; shared ones once."""
        quantized = {
            f"{name}.weight": layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            for name, layer in module.named_modules()
            if isinstance(layer, QUANTIZED)
        }
        return cls(dict(module.named_parameters()), dict(module.named_buffers()), quantized)

    def only(self, chosen: Callable[[str], bool]) -> "Weights":
        """Those whose name is chosen."""
        parameters = {name: tensor for name, tensor in self.parameters.items() if chosen(name)}
        constants = {name: tensor for name, tensor in self.constants.items() if chosen(name)}
        return Weights(parameters, constants, self.quantized)

    def tensors(self) -> list[Tensor]:
        return [*self.parameters.values(), *self.constants.values()]

    def parameter_count(self) -> int:
        return sum(tensor.numel() for tensor in self.parameters.values())

    def stored_bytes(self) -> dict[str, int]:
        """Bytes of parameters and constants at each precision.

        int8: one byte a weight of convolutions and linear layers and an fp32 scale an output channel; biases,
        normalisations, embeddings and constants in fp32. Whole-numbered constants keep their own width.
        """
        values = sum(tensor.numel() for tensor in self.tensors() if tensor.is_floating_point())
        whole_bytes = sum(_bytes(tensor) for tensor in self.tensors() if not tensor.is_floating_point())
        weights = {name: tensor for name, tensor in self.parameters.items() if name in self.quantized}
        stored = {name: size * values + whole_bytes for name, size in BYTES.items()}
        saved = sum((BYTES["fp32"] - 1) * weight.numel() for weight in weights.values())
        scales = sum(BYTES["fp32"] * self.quantized[name] for name in weights)
        return {**stored, INT8: stored["fp32"] - saved + scales}


@dataclass(frozen=True)
class ProgramCost:
    """One program on one frame of one object.

    parameters, constants: counts of values. macs: multiply-accumulates. product_macs: those of two activations, which
    stay float in int8. peak_activation_bytes: the most that fp32 tensors hold at once when operators run one by one,
    inputs and weights aside. weight_bytes: what the program stores, by precision.
    """

    parameters: int
    constants: int
    macs: int
    product_macs: int
    peak_activation_bytes: int
    input_bytes: int
    output_bytes: int
    weight_bytes: Mapping[str, int]


@dataclass(frozen=True)
class ModelCost:
    """A whole model at its image size, by program; `trained_parameters` are those of its checkpoint, where
    branches and BatchNorms are not yet folded."""

    name: str
    image_size: int
    programs: Mapping[str, ProgramCost]
    trained_parameters: int
    memory_tokens: int
    bank_values: int

    @property
    def parameters(self) -> int:
        return sum(program.parameters for program in self.programs.values())

    @property
    def macs(self) -> int:
        return sum(program.macs for program in self.programs.values())

    @property
    def peak_activation_bytes(self) -> int:
        """Of the program that takes most: they run one after another."""
        return max(program.peak_activation_bytes for program in self.programs.values())

    @property
    def weight_bytes(self) -> dict[str, int]:
        return {name: sum(program.weight_bytes[name] for program in self.programs.values()) for name in PRECISIONS}

    def bank_bytes(self, precision: str) -> int:
        """What one object's full memory bank holds."""
        return BYTES[precision] * self.bank_values


def count_program(call: Callable[..., object], inputs: Mapping[str, Tensor], weights: Weights) -> ProgramCost:
    """Counts one call; inputs and weights lie on the meta device, which knows shapes and no values."""
    count = OperatorCount([*inputs.values(), *weights.tensors()])
    with SHAPES_ONLY, torch.no_grad(), count:
        outputs = call(**inputs)
    return ProgramCost(
        parameters=weights.parameter_count(),
        constants=sum(tensor.numel() for tensor in weights.constants.values()),
        macs=count.macs,
        product_macs=count.product_macs,
        peak_activation_bytes=count.peak_bytes(outputs),
        input_bytes=sum(map(_bytes, inputs.values())),
        output_bytes=sum(_bytes(tensor) for tensor in tree_iter(outputs) if isinstance(tensor, Tensor)),
        weight_bytes=weights.stored_bytes(),
    )


def model_cost(config: ModelConfig) -> ModelCost:
    """The four programs of a TinySAM 2 as they ship: RepViT's branches and BatchNorms folded."""
    contract = program_contract(config)
    with SHAPES_ONLY:
        model = TinySAM2(config).eval()
        programs = {}
        for name, program in build_programs(model).items():
            inputs = {spec.name: torch.empty(spec.shape) for spec in contract[name].inputs}
            programs[name] = count_program(program, inputs, Weights.of(program))
    return ModelCost(
        name=config.name,
        image_size=config.image_size,
        programs=programs,
        trained_parameters=Weights.of(model).parameter_count(),
        memory_tokens=config.memory_tokens,
        bank_values=sum(math.prod(spec.shape) for spec in bank_spec(config)),
    )


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
