"""The float model's memory, counted as the artifacts' is: its weights, and activations from when tensors live."""

from collections.abc import Mapping

import torch
from torch.utils._pytree import tree_iter
from torch.utils.module_tracker import ModuleTracker

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import ProgramSpec, program_contract
from tinysam2.mobile_runtime.memory.accounting import ModelMemory, Peak, account, peak
from tinysam2.mobile_runtime.memory.liveness import Lifetime
from tinysam2.models.network.programs import Program, build_programs
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.validation.cost.count import SHAPES_ONLY, OperatorCount, Weights

FP32_BYTES = 4


class NamedOperatorCount(OperatorCount):
    """An `OperatorCount` that also keeps what each tensor and each operator is called.

    inputs: by name; unlike weights they take part in the peak, from the beginning.
    """

    def __init__(self, weights: list[torch.Tensor], inputs: Mapping[str, torch.Tensor], modules: ModuleTracker) -> None:
        super().__init__(weights)
        self.operators: list[str] = []
        self._modules = modules
        self._names = {tensor.untyped_storage(): name for name, tensor in inputs.items()}
        self._touch(list(inputs.values()))

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        module = max(self._modules.parents, key=len).partition(".")[2]
        name = f"{operator._overloadpacket.__name__} in {module}" if module else operator._overloadpacket.__name__
        result = super().__torch_dispatch__(operator, types, args, kwargs)
        self.operators.append(name)
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor):
                self._names.setdefault(tensor.untyped_storage(), f"{name} {list(tensor.shape)}")
        return result

    def peak(self, outputs: Mapping[str, torch.Tensor]) -> Peak:
        """The fullest moment; outputs are held to the end."""
        self._names |= {tensor.untyped_storage(): name for name, tensor in outputs.items()}
        self._touch(list(outputs.values()))
        lifetimes = [
            Lifetime(self._names[storage], held.size, held.born, held.last_read)
            for storage, held in self._storages.items()
        ]
        return peak(lifetimes, self.operators)


def float_memory(config: ModelConfig) -> ModelMemory:
    """The float model in fp32, operators one by one in PyTorch's order, each in memory of its own; nothing is run."""
    contract = program_contract(config)
    with SHAPES_ONLY:
        model = TinySAM2(config).eval()
        programs = build_programs(model)
    weights = {name: Weights.of(program).tensors() for name, program in programs.items()}
    shared = {id(tensor): tensor for tensors in weights.values() for tensor in tensors}
    return account(
        config,
        FP32_BYTES,
        sum(tensor.nbytes for tensor in shared.values()),
        {
            name: (sum(tensor.nbytes for tensor in weights[name]), _peak(program, contract[name], weights[name]))
            for name, program in programs.items()
        },
        # PyTorch's allocator takes back what a program leaves.
        arenas_stay=False,
    )


def _peak(program: Program, spec: ProgramSpec, weights: list[torch.Tensor]) -> Peak:
    with SHAPES_ONLY:
        inputs = {tensor.name: torch.empty(tensor.shape) for tensor in spec.inputs}
    with ModuleTracker() as modules:
        count = NamedOperatorCount(weights, inputs, modules)
        with SHAPES_ONLY, torch.no_grad(), count:
            outputs = program.named_outputs(**inputs)
    return count.peak(outputs)
