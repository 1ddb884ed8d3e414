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
from validation.gates import memory_gates, parity_gates
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
) -> Report:
    """Validates all artifacts in a folder against the float model on one clip.

    prompts: by object id, for the first frame. On each frame the float model runs first; every artifact then runs
    its programs on the inputs that the float model met, and tracks the frame with a bank of its own. Nothing is
    kept but measurements, so a clip may be long. Raises InputError where artifacts or prompts cannot be used.
    """
    cards = read_cards(folder)
    recorder = RecordingBackend(TorchBackend(loaded.model))
    reference = Tracker(recorder)
    checks = {card.target: ParityCheck(load_artifacts(TARGETS[card.target], folder)) for card in cards}
    frames = 0
    with one_thread():
        for frame in islice(clip, max_frames):
            said = prompts if frames == 0 else None
            expected = reference.track(frame, said)
            calls = recorder.take()
            for check in checks.values():
                for call in calls:
                    check.replay(call)
                check.follow(frame, said, expected)
            frames += 1
            progress(frames)
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
        targets=tuple(_report_target(card, checks[card.target]) for card in cards),
    )


def _report_target(card: ArtifactCard, check: ParityCheck) -> TargetReport:
    programs, chain, memory = check.programs(), check.chain(), dict(check.backend.memory())
    gates = (
        *parity_gates(card.precision, programs, chain),
        *memory_gates(card.config, memory, chain),
    )
    return TargetReport(
        target=card.target,
        precision=card.precision,
        runtime=check.backend.runtime,
        versions={**card.versions, "python": platform.python_version()},
        programs=programs,
        chain=chain,
        memory=memory,
        gates=gates,
    )
