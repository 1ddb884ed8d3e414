"""Validation: artifacts follow the float model through clips, and every gate gives its verdict."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinysam2.core.artifacts import ArtifactCard, read_card, targets_in
from tinysam2.core.contract import MASK_DECODER, MEMORY_ENCODER
from tinysam2.core.errors import InputError
from tinysam2.core.targets import INT8, TORCH
from tinysam2.mobile_runtime.layout import Layouts
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.mobile_runtime.memory.accounting import ModelMemory
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.torch_backend import TorchBackend
from tinysam2.mobile_runtime.tracker import Tracker, tracked_object
from tinysam2.models.network.mask_decoder import MaskDecoder
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.scoring.evaluation import Watch
from tinysam2.scoring.scores import RunningScore
from tinysam2.validation.gate import Gate
from tinysam2.validation.integers.gates import integer_gates
from tinysam2.validation.memory.budget import Budget, read_budget
from tinysam2.validation.memory.float_model import float_memory
from tinysam2.validation.memory.gates import memory_gates
from tinysam2.validation.memory.measured import MeasuredMemory
from tinysam2.validation.memory.process import measure_artifacts, measure_float
from tinysam2.validation.parity.bank_states import (
    CHANGES,
    StateCalls,
    count_states,
    possible_states,
    states_of,
    synthetic_call,
)
from tinysam2.validation.parity.check import ParityCheck
from tinysam2.validation.parity.gates import parity_gates
from tinysam2.validation.parity.layout_gates import layout_gates
from tinysam2.validation.parity.recording import Call, RecordingBackend
from tinysam2.validation.parity.scenes import Scene
from tinysam2.validation.parity.ties import near_answers
from tinysam2.validation.reporting.gallery import Gallery
from tinysam2.validation.reporting.report import ClipReport, Report, TargetReport


def read_cards(folder: Path) -> list[ArtifactCard]:
    """The cards of all artifacts in a folder; `InputError` where there are none, they differ in preset, or only some
    are int8: those are held to other weights."""
    cards = [read_card(folder, target) for target in targets_in(folder)]
    presets = sorted({card.preset for card in cards})
    if len(presets) > 1:
        raise InputError(f"{folder} mixes artifacts of {' and '.join(presets)}; keep one preset to a folder")
    if len({card.precision == INT8 for card in cards}) > 1:
        raise InputError(f"{folder} mixes int8 and float artifacts; keep one kind to a folder")
    return cards


def validate_artifacts(
    loaded: LoadedModel,
    folder: Path,
    scenes: Sequence[Scene],
    watch: Watch = lambda frames, *_: frames,
    budget: Budget | None = None,
    measure: Callable[[], Mapping[str, MeasuredMemory]] = dict,
    gallery: Gallery | None = None,
) -> Report:
    """Validates all artifacts in a folder against the float model on one clip or several; int8 artifacts against the
    quantized model that their checkpoint holds, their integers too.

    On each frame the float model runs first; every artifact then runs its programs on the inputs that the float model
    met, and tracks the frame with a bank of its own. Nothing is kept but measurements, so a clip may be long.
    watch: passes frames on; it is told the step and how many there will be. budget: the preset's own unless given.
    measure: called at the end for what processes took, by target, as `measure_memory` tells it; by default nothing is
    measured. gallery: is shown every frame and answer, and keeps the few that a page shows.
    Raises InputError where artifacts, clips or prompts cannot be used.
    """
    cards = read_cards(folder)
    budget = budget or read_budget(None, loaded.model.config.name)
    checks = {card.target: ParityCheck(load_artifacts(card.target_entry, folder)) for card in cards}
    reference, clips = TorchBackend(loaded.model), []
    with one_thread():
        for number, scene in enumerate(scenes, start=1):
            place = f", clip {number} of {len(scenes)}" if len(scenes) > 1 else ""
            frames = watch(scene.read_frames(), f"validating on {scene.name}{place}", scene.frame_count)
            clips.append(follow_scene(scene, frames, reference, checks, gallery))
    measured = measure()
    return Report(
        preset=loaded.model.config.name,
        weights=loaded.source,
        weights_digest=loaded.digest,
        trained=loaded.trained,
        licence=loaded.terms.licence,
        trained_on=loaded.terms.trained_on,
        clips=tuple(clips),
        budget=budget,
        float_memory=float_memory(loaded.model.config),
        float_measured=measured.get(TORCH),
        targets=tuple(
            _report_target(
                card,
                checks[card.target],
                budget,
                measured.get(card.target),
                tuple(integer_gates(loaded, folder, card)),
            )
            for card in cards
        ),
    )


def follow_scene(
    scene: Scene,
    frames: Iterable[np.ndarray],
    backend: TorchBackend,
    checks: Mapping[str, ParityCheck],
    gallery: Gallery | None = None,
) -> ClipReport:
    """Tracks one clip with the float model, and with every artifact behind it.

    frames: the scene's. backend: the float model's. States of the bank that the clip does not bring, and that a call
    can be put into, are met by calls made at the end. Raises InputError where frames or prompts cannot be used.
    """
    recorder = RecordingBackend(backend)
    decoder = backend.programs[MASK_DECODER].module
    assert isinstance(decoder, MaskDecoder)
    reference, score = Tracker(recorder), RunningScore(scene.objects)
    states = dict.fromkeys(possible_states(backend.config.bank), StateCalls())
    for check in checks.values():
        check.begin(scene)
    if gallery is not None:
        gallery.begin(scene.name)

    def replay(call: Call, objects: int = 1, made: bool = False) -> None:
        nonlocal states
        met = states_of(call, objects) if call.program == MEMORY_ENCODER else ()
        states = count_states(states, met, made)
        for check in checks.values():
            check.replay(call, met)

    count = 0
    for frame in frames:
        prompts, truth = scene.prompts(count), scene.truth(count)
        expected = reference.track(frame, prompts)
        score.add(truth, expected.ids)
        calls = recorder.take()
        decoded = iter(expected.objects)
        near = {}
        for call in calls:
            if call.program == MASK_DECODER:
                call = replace(call, near=near_answers(call, decoder))
                near[next(decoded)] = [tracked_object(answer, expected.width, expected.height) for answer in call.near]
            replay(call, len(expected.objects))
        answers = {name: check.follow(frame, prompts, expected, truth, near) for name, check in checks.items()}
        if gallery is not None:
            gallery.add(frame, expected, answers)
        count += 1
    for state in CHANGES:
        if state in states and not states[state].met:
            # The last call of a frame is the memory encoder's.
            replay(synthetic_call(state, calls[-1], backend), made=True)
    for check in checks.values():
        check.finish(score.figures())
    return ClipReport(scene.name, count, scene.width, scene.height, len(scene.objects), states)


def measure_memory(
    loaded: LoadedModel, folder: Path, counter: Callable[[str], Callable[[int], None]]
) -> dict[str, MeasuredMemory]:
    """Memory of the float model, where that is the one loaded, and of each target's artifacts in a folder, each in a
    fresh process.

    counter: is told each step, and returns what is told of the frames done. What is measured is this
    computer's; where it does not tell, nothing is returned. Raises InputError where artifacts cannot be loaded.
    """
    measured = {}
    if loaded.recipe is None:
        measured[TORCH] = measure_float(loaded.model, progress=counter("measuring the float model's memory"))
    for card in read_cards(folder):
        progress = counter(f"measuring {card.target}'s memory")
        measured[card.target] = measure_artifacts(card.target, folder, progress=progress)
    return {name: memory for name, memory in measured.items() if memory}


def _report_target(
    card: ArtifactCard,
    check: ParityCheck,
    budget: Budget,
    measured: MeasuredMemory | None,
    of_integers: tuple[Gate, ...],
) -> TargetReport:
    programs, chain, memory = check.programs(), check.chain(), check.backend.memory()
    layouts = check.backend.layouts()
    gates = (
        *parity_gates(card.precision, programs, chain),
        *layout_gates(layouts),
        *of_integers,
        *memory_gates(card.config, memory, chain, budget, measured),
    )
    return TargetReport(
        target=card.target,
        precision=card.precision,
        runtime=check.backend.runtime,
        versions={**card.versions, "python": platform.python_version()},
        programs=programs,
        chain=chain,
        memory=memory,
        measured=measured,
        gates=gates,
        layouts=layouts,
        not_available=tuple(_not_available(card, memory, layouts)),
    )


def _not_available(card: ArtifactCard, memory: ModelMemory | None, layouts: Layouts | None) -> Iterator[str]:
    """What no gate could judge, because the target's entry or backend does not have it."""
    if memory is None:
        yield "static memory"
    if layouts is None:
        yield "memory layout"
    if card.precision == INT8 and card.target_entry.integer_reader is None:
        yield "integers"
