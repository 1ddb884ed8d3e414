"""Which layers read what a layer returns: the graph of the programs, recorded in one run over shapes alone."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from tinysam2.models.network.programs import build_programs
from tinysam2.models.network.tinysam2 import TinySAM2

SHAPES_ONLY = torch.device("meta")


def layer_readers(model: TinySAM2) -> dict[str, set[str | None]]:
    """Full name -> full names of the layers that take its output just as it is, in the order in which layers run.

    Layers are the convolutions and linear layers of a fused float model. None among the readers stands for everything
    else that reads an output: another operation, or who calls the program.
    """
    recorder = _Recorder()
    programs = build_programs(copy.deepcopy(model).to(SHAPES_ONLY))
    for name, program in programs.items():
        for within, module in program.module.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                recorder.watch(f"{name}.{within}", module)
    with torch.no_grad(), recorder:
        for program in programs.values():
            inputs = {spec.name: torch.empty(spec.shape, device=SHAPES_ONLY) for spec in program.spec.inputs}
            recorder.read_by(None, program(**inputs))
    return recorder.readers


class _Recorder(TorchFunctionMode):
    """Notes each function's tensors as read, by the layer that is running or by what is none."""

    def __init__(self) -> None:
        self.readers: dict[str, set[str | None]] = {}
        self._running: str | None = None
        self._returned_by: dict[int, str] = {}
        # Kept, so that no two tensors have one id.
        self._kept: list[Tensor] = []

    def watch(self, name: str, layer: nn.Module) -> None:
        """Records a layer under a name."""

        def enter(*_: object) -> None:
            self.readers.setdefault(name, set())
            self._running = name

        def leave(_: nn.Module, __: object, returned: Tensor) -> None:
            self._running = None
            self._returned_by[id(returned)] = name
            self._kept.append(returned)

        layer.register_forward_pre_hook(enter)
        layer.register_forward_hook(leave)

    def read_by(self, reader: str | None, values: object) -> None:
        """Records that a reader takes tensors, however nested."""
        for value in tree_leaves(values):
            if isinstance(value, Tensor) and id(value) in self._returned_by:
                self.readers[self._returned_by[id(value)]].add(reader)

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None) -> Any:
        returned = func(*args, **(kwargs or {}))
        # What returns no tensor asks for a shape or a dtype.
        if any(isinstance(value, Tensor) for value in tree_leaves(returned)):
            self.read_by(self._running, (args, kwargs))
        return returned
