"""Core ML packages by both that execute them on macOS: Apple's runtime held against the MIL interpreter."""

from dataclasses import dataclass
from pathlib import Path

from tinysam2.core.artifacts import read_card
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import TARGETS
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.mobile_runtime.tracker import Tracker
from tinysam2.validation.parity.check import ChainParity, ParityCheck, ProgramParity
from tinysam2.validation.parity.recording import RecordingBackend
from tinysam2.validation.parity.scenes import Scene


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
