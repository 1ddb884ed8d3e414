"""Validation: artifacts follow the float model through a clip, and every gate gives its verdict."""

import platform
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

from mobile_runtime.loading import load_artifacts
from mobile_runtime.media.clips import Clip
from mobile_runtime.prompts import Prompt, prompts_of_mask
from mobile_runtime.threads import one_thread
from mobile_runtime.torch_backend import TorchBackend
from mobile_runtime.tracker import Tracker
from models.artifacts import ArtifactCard, read_card, targets_in
from models.checkpoint import LoadedModel
from models.errors import InputError
from models.targets import TARGETS
from validation.budget import Budget, read_budget
from validation.gallery import Gallery
from validation.gates import memory_gates, parity_gates
from validation.memory_float import float_memory
from validation.memory_measured import MeasuredMemory
from validation.memory_process import TORCH, measure_artifacts, measure_float
from validation.parity import ParityCheck
from validation.recording import RecordingBackend
from validation.report import Report, TargetReport
from validation.sample_clip import render_sample_clip


def read_cards(folder: Path) -> list[ArtifactCard]:
    """The cards of all artifacts in a folder; `InputError` where there are none or they differ in preset."""
    cards = [read_card(folder, target) for target in targets_in(folder)]
    presets = sorted({card.preset for card in cards})
    if len(presets) > 1:
        raise InputError(f"{folder} mixes artifacts of {' and '.join(presets)}; keep one preset to a folder")
    return cards


def sample_input() -> tuple[Clip, dict[int, Prompt]]:
    """The embedded clip of two objects, and its first mask as the prompt."""
    sample = render_sample_clip(objects=2)
    return sample.as_clip(), prompts_of_mask(sample.masks[0])


def validate_artifacts(
    loaded: LoadedModel,
    folder: Path,
    clip: Clip,
    prompts: Mapping[int, Prompt],
    max_frames: int | None = None,
    progress: Callable[[int], None] = lambda frames_done: None,
    budget: Budget | None = None,
    measure: Callable[[], Mapping[str, MeasuredMemory]] = dict,
    gallery: Gallery | None = None,
) -> Report:
    """Validates all artifacts in a folder against the float model on one clip.

    prompts: by object id, for the first frame. On each frame the float model runs first; every artifact then runs
    its programs on the inputs that the float model met, and tracks the frame with a bank of its own. Nothing is
    kept but measurements, so a clip may be long. budget: the preset's own unless given. measure: called
    at the end for what processes took, by target, as `measure_memory` tells it; by default nothing is measured.
    gallery: is shown every frame and answer, and keeps the few that a page shows.
    Raises InputError where artifacts or prompts cannot be used.
    """
    cards = read_cards(folder)
    budget = budget or read_budget(None, loaded.model.config.name)
    recorder = RecordingBackend(TorchBackend(loaded.model))
    reference = Tracker(recorder)
    checks = {card.target: ParityCheck(load_artifacts(TARGETS[card.target], folder)) for card in cards}
    frames = 0
    with one_thread():
        for frame in islice(clip, max_frames):
            said = prompts if frames == 0 else None
            expected = reference.track(frame, said)
            calls = recorder.take()
            answers = {}
            for target, check in checks.items():
                for call in calls:
                    check.replay(call)
                answers[target] = check.follow(frame, said, expected)
            if gallery is not None:
                gallery.add(frame, expected, answers)
            frames += 1
            progress(frames)
    measured = measure()
    return Report(
        preset=loaded.model.config.name,
        weights=loaded.source,
        weights_digest=loaded.digest,
        trained=loaded.trained,
        clip=clip.name,
        frames=frames,
        width=clip.width,
        height=clip.height,
        objects=len(prompts),
        budget=budget,
        float_memory=float_memory(loaded.model.config),
        float_measured=measured.get(TORCH),
        targets=tuple(_report_target(card, checks[card.target], budget, measured.get(card.target)) for card in cards),
    )


def measure_memory(
    loaded: LoadedModel, folder: Path, counter: Callable[[str], Callable[[int], None]]
) -> dict[str, MeasuredMemory]:
    """Memory of the float model and of each target's artifacts in a folder, each in a fresh process.

    counter: is told each step, and returns what is told of the frames done. What is measured is this
    computer's; where it does not tell, nothing is returned. Raises InputError where artifacts cannot be loaded.
    """
    measured = {TORCH: measure_float(loaded.model, progress=counter("measuring the float model's memory"))}
    for card in read_cards(folder):
        progress = counter(f"measuring {card.target}'s memory")
        measured[card.target] = measure_artifacts(card.target, folder, progress=progress)
    return {name: memory for name, memory in measured.items() if memory}


def _report_target(
    card: ArtifactCard, check: ParityCheck, budget: Budget, measured: MeasuredMemory | None
) -> TargetReport:
    programs, chain, memory = check.programs(), check.chain(), check.backend.memory()
    gates = (
        *parity_gates(card.precision, programs, chain),
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
    )
