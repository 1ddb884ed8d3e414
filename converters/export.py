"""Programs to `torch.export` graphs, which every target's converter takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx.traceback import NodeSource

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


def export_programs(
    model: TinySAM2, fold_tables: bool = False, progress: Callable[[str], None] = lambda stage: None
) -> Iterator[ExportedModel]:
    """Exports the four programs with fixed shapes and batch 1, in the order of the contract.

    fold_tables: see `MaskDecoderProgram`; where int8 values follow that a last bit could turn. progress: is told each
    program as its export begins.
    """
    for program in build_programs(model).values():
        progress(f"exporting {program.spec.name}")
        if fold_tables and isinstance(program, MaskDecoderProgram):
            program.fold_tables()
        example = {spec.name: torch.zeros(spec.shape) for spec in program.spec.inputs}
        with torch.no_grad():
            graph = torch.export.export(program, (), example, strict=False)
        yield ExportedModel(program, example, graph)


@contextmanager
def shared_provenance() -> Iterator[None]:
    """Lets nodes of graphs share the records of what they were made from, within the block.

    Each pass over a graph, of which toolchains do dozens, copies every node's record in depth, and with it those of all
    passes before. No pass changes a record, so that a reference does.
    """
    NodeSource.__deepcopy__ = lambda source, memo: source  # type: ignore[attr-defined]  # copy looks for it
    try:
        yield
    finally:
        del NodeSource.__deepcopy__  # type: ignore[attr-defined]
