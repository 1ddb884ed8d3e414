"""Core ML packages by both that execute them on macOS: Apple's runtime held against the MIL interpreter."""

from dataclasses import dataclass
from pathlib import Path

from mobile_runtime.threads import one_thread
from mobile_runtime.tracker import Tracker
from models.artifacts import read_card
from models.console import silenced
from models.targets import TARGETS
from validation.parity import ChainParity, ParityCheck, ProgramParity
from validation.recording import RecordingBackend
from validation.scenes import Scene


@dataclass(frozen=True)
class RuntimeComparison:
    """How far Apple's runtime is from the MIL interpreter, which is the reference of all that is measured here.

    programs: each on the inputs that the interpreter met on the clip. chain: the clip tracked by each with a bank of
    its own.
    """

    programs: tuple[ProgramParity, ...]
    chain: ChainParity


def compare_runtimes(folder: Path, scene: Scene) -> RuntimeComparison:
    """Runs the Core ML packages in a folder by both runtimes on one clip. macOS only.

    Raises InputError elsewhere than on macOS, and where the packages cannot be used.
    """
    target = TARGETS["coreml"]
    card = read_card(folder, target)
    make = target.load_backend().CoreMLBackend
    with silenced():
        # First the one that may be refused.
        check = ParityCheck(make(folder, card, runtime="apple"))
        recorder = RecordingBackend(make(folder, card, runtime="interpreter"))
    reference = Tracker(recorder)
    check.begin(scene)
    with one_thread():
        for index, frame in enumerate(scene.read_frames()):
            prompts = scene.prompts(index)
            expected = reference.track(frame, prompts)
            for call in recorder.take():
                check.replay(call)
            check.follow(frame, prompts, expected)
    check.finish()
    return RuntimeComparison(check.programs(), check.chain())
