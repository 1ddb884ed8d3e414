"""Programs to `torch.export` graphs, once for all targets."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import ExportedProgram

from tinysam2.models.network.programs import MaskDecoderProgram, Program, build_programs
from tinysam2.models.network.tinysam2 import TinySAM2


@dataclass(frozen=True)
class ExportedModel:
    """One program three times over: as a module, by example inputs, and as an exported graph."""

    program: Program
    example: dict[str, Tensor]
    graph: ExportedProgram

    @property
    def name(self) -> str:
        return self.program.spec.name


def export_programs(model: TinySAM2, fold_tables: bool = False) -> Iterator[ExportedModel]:
    """Exports the four programs with fixed shapes and batch 1, in the order of the contract.

    fold_tables: see `MaskDecoderProgram`; where int8 values follow that a last bit could turn.
    """
    for program in build_programs(model).values():
        if fold_tables and isinstance(program, MaskDecoderProgram):
            program.fold_tables()
        example = {spec.name: torch.zeros(spec.shape) for spec in program.spec.inputs}
        with torch.no_grad():
            graph = torch.export.export(program, (), example, strict=False)
        yield ExportedModel(program, example, graph)
