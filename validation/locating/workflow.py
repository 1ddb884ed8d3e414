"""Every target's programs followed layer by layer: record, compare, and plot the errors."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch.export import ExportedProgram

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.contract import program_contract
from tinysam2.core.silencing import silenced
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.validation.locating.float_graph import FloatGraph
from tinysam2.validation.locating.locate import ProgramErrors, locate, record_calls
from tinysam2.validation.locating.plot import draw_errors
from tinysam2.validation.parity.scenes import Scene


def locate_layers(
    model: TinySAM2,
    exported: Mapping[str, ExportedProgram],
    cards: Sequence[ArtifactCard],
    folder: Path,
    scene: Scene,
    plot: Path,
    progress: Callable[[str], None] = lambda step: None,
) -> list[ProgramErrors]:
    """The error of every layer in every target's artifacts, drawn into the PNG file `plot`.

    exported: the float model's programs to follow, by name, as `torch.export` gives them. folder: holds the artifacts
    that the cards describe. progress: gets the name of each step as it begins. Raises InputError where an artifact,
    frames or prompts cannot be read.
    """
    progress("recording the float model")
    calls = record_calls(model, scene)
    contract = program_contract(model.config)
    with silenced():
        graphs = {
            name: FloatGraph(name, program.run_decompositions({}), contract[name].input_names)
            for name, program in exported.items()
        }
    found = locate(cards, folder, graphs, calls, progress)
    progress("drawing the errors")
    draw_errors(found, plot)
    return found
