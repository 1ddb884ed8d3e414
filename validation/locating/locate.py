"""Where an artifact goes wrong: the first layer of each program whose local error exceeds the threshold."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from torch.fx import Node

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.scoring.metrics import MAX_SQNR_DB, sqnr_db
from tinysam2.validation.locating.float_graph import FloatGraph, moves_only
from tinysam2.validation.locating.following import Followed, follow
from tinysam2.validation.locating.intermediates import Intermediates, open_intermediates
from tinysam2.validation.parity.check import UNITS
from tinysam2.validation.parity.gates import PARITY_LIMITS
from tinysam2.validation.parity.recording import Call, RecordingBackend
from tinysam2.validation.parity.scenes import Scene

FRAMES = 8
"""Frames that are recorded unless fewer are wanted: by then the bank is full and slots were replaced."""

LEAST_LOCAL_SQNR_DB = {"fp32": 100.0, "fp16": 50.0}
"""By precision, the least SQNR of an operation against what the float model makes of the artifact's own inputs to it.

Below what unmodified artifacts reach, and far above what a wrong weight gives: docs/locating.md."""


@dataclass(frozen=True)
class LayerError:
    """An operation's error. layer: by its name in the float model; operation: in the exported program.

    sqnr_db: the artifact's value against the float model's on the same inputs of the program. input_sqnr_db: the least
    of its inputs. local_sqnr_db: against what the float model makes of the artifact's own inputs to it.
    """

    layer: str
    operation: str
    sqnr_db: float
    input_sqnr_db: float
    local_sqnr_db: float

    @property
    def sqnr_drop_db(self) -> float:
        return self.input_sqnr_db - self.sqnr_db


@dataclass(frozen=True)
class ProgramErrors:
    """One program of one target, on the call of the clip where its outputs are farthest from the float model's.

    runtime: what computed the values. output_db: least SQNR of the outputs, as what ships computes them. runtimes_db:
    of what ships against what showed its values: a delegate's fault shows here alone. runtimes_limit_db,
    least_local_sqnr_db: the limits. first: the first layer below them, None where none does; seen: whether the
    artifact shows its value, rather than only that of something after it. layers: all that it shows, in order.
    """

    target: str
    precision: str
    program: str
    runtime: str
    call: int
    output_db: float
    runtimes_db: float
    runtimes_limit_db: float
    least_local_sqnr_db: float
    first: LayerError | None
    seen: bool
    layers: tuple[LayerError, ...]

    @property
    def runtimes_agree(self) -> bool:
        return self.runtimes_db >= self.runtimes_limit_db

    @property
    def steepest(self) -> LayerError | None:
        """Where the error that came in grows most; what makes much of a little is a difference of like values, or a
        choice that rounding flipped."""
        return max(self.layers, key=lambda layer: layer.sqnr_drop_db, default=None)

    def to_json(self) -> dict:
        return {
            **asdict(self),
            "runtimes_agree": self.runtimes_agree,
            "first": self.first and _layer_json(self.first),
            "layers": [_layer_json(layer) for layer in self.layers],
        }


def _layer_json(layer: LayerError) -> dict:
    return {**asdict(layer), "sqnr_drop_db": layer.sqnr_drop_db}


def record_calls(model: TinySAM2, scene: Scene, frames: int = FRAMES) -> dict[str, list[Call]]:
    """What the float model was asked and answered on a clip's first frames, by program.

    Raises InputError where frames or prompts cannot be used.
    """
    recorder = RecordingBackend(TorchBackend(model))
    tracker = Tracker(recorder)
    with one_thread():
        for number, frame in enumerate(islice(scene.read_frames(), frames)):
            tracker.track(frame, scene.prompts(number))
    calls: dict[str, list[Call]] = {}
    for call in recorder.take():
        calls.setdefault(call.program, []).append(call)
    return calls


def shows_values(cards: Iterable[ArtifactCard]) -> list[ArtifactCard]:
    """Those cards whose target has a reader of intermediate values."""
    return [card for card in cards if card.target_entry.value_reader is not None]


def locate(
    cards: Sequence[ArtifactCard],
    folder: Path,
    graphs: Mapping[str, FloatGraph],
    calls: Mapping[str, Sequence[Call]],
    progress: Callable[[str], None] = lambda step: None,
) -> list[ProgramErrors]:
    """Finds the first layer that goes wrong, for every program in `graphs` of every target that shows its values.

    calls: by program, as recorded of the float model. progress is told each step as it begins. Raises InputError where
    an artifact cannot be read.
    """
    found = []
    with one_thread():
        for card in shows_values(cards):
            backend = load_artifacts(card.target_entry, folder)
            opened = open_intermediates(folder, card)
            for program, graph in graphs.items():
                progress(f"locating: {card.target} {program}")
                found.append(locate_in(graph, card, backend, opened, calls[program]))
    return found


def locate_in(
    graph: FloatGraph, card: ArtifactCard, backend: Backend, opened: Intermediates, calls: Sequence[Call]
) -> ProgramErrors:
    """As `locate`, for one program of one target.

    backend: runs what ships. opened: shows its values.
    """
    shipped = [_worst(call.outputs, backend.run(call.program, call.inputs)) for call in calls]
    number = int(np.argmin(shipped))
    call = calls[number]
    spec = backend.contract[call.program]
    given = {name: np.ascontiguousarray(call.inputs[name], backend.io_dtype) for name in spec.input_names}
    values = opened.run(call.program, given)
    again = dict(zip(spec.output_names, values.outputs, strict=True))
    threshold = LEAST_LOCAL_SQNR_DB[card.precision]
    units = {node: UNITS[name] for node, name in zip(graph.outputs, spec.output_names, strict=True) if name in UNITS}
    followed = follow(graph, given, values, threshold, units)
    layers = dict(_errors(graph, call.inputs, given, followed, units))
    first = followed.faults[0] if followed.faults else None
    return ProgramErrors(
        target=card.target,
        precision=card.precision,
        program=call.program,
        runtime=opened.runtime,
        call=number,
        output_db=shipped[number],
        runtimes_db=_worst(again, backend.run(call.program, call.inputs)),
        runtimes_limit_db=PARITY_LIMITS[card.precision].sqnr_db,
        least_local_sqnr_db=threshold,
        first=None if first is None else layers[first.node],
        seen=first is None or first.value is not None,
        layers=tuple(error for node, error in layers.items() if not moves_only(node)),
    )


def _worst(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
    return min(sqnr_db(value, found[name], UNITS.get(name, 0.0)) for name, value in expected.items())


def _errors(
    graph: FloatGraph,
    inputs: Mapping[str, np.ndarray],
    given: Mapping[str, np.ndarray],
    followed: Followed,
    units: Mapping[Node, float],
) -> Iterator[tuple[Node, LayerError]]:
    """The error of every operation that the artifact shows, in the program's order, and of one that must be wrong."""
    own = {fault.node: fault.local_sqnr_db for fault in followed.faults} | dict(followed.local_sqnr_db)
    arriving = {node: sqnr_db(inputs[name], given[name]) for node, name in graph.inputs.items()}
    for node, values in graph.compute(inputs):
        came_in = min((arriving.get(source, MAX_SQNR_DB) for source in node.all_input_nodes), default=MAX_SQNR_DB)
        arriving[node] = came_in
        if node not in own:
            continue
        if node in followed.values:
            arriving[node] = sqnr_db(values[node].numpy(), followed.values[node].numpy(), units.get(node, 0.0))
        else:
            arriving[node] = own[node]
        place = graph.place(node)
        yield node, LayerError(place.layer, place.operation, arriving[node], came_in, own[node])
