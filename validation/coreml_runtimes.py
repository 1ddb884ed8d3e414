"""Core ML packages by both that execute them on macOS: Apple's runtime held against the MIL interpreter."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mobile_runtime.media.clips import Clip
from mobile_runtime.prompts import Prompt
from mobile_runtime.threads import one_thread
from mobile_runtime.tracker import Tracker
from models.artifacts import read_card
from models.console import silenced
from models.targets import TARGETS
from validation.parity import ChainParity, ParityCheck, ProgramParity
from validation.recording import RecordingBackend


@dataclass(frozen=True)
class RuntimeComparison:
    """How far Apple's runtime is from the MIL interpreter, which is the reference of all that is measured here.

    programs: each on the inputs that the interpreter met on the clip. chain: the clip tracked by each with a bank of
    its own.
    """

    programs: tuple[ProgramParity, ...]
    chain: ChainParity


def compare_runtimes(
    folder: Path, clip: Clip, prompts: Mapping[int, Prompt], max_frames: int | None = None
) -> RuntimeComparison:
    """Runs the Core ML packages in a folder by both runtimes on one clip. macOS only.

    prompts: by object id, for the first frame. Raises InputError elsewhere than on macOS, and where the packages
    cannot be used.
    """
    target = TARGETS["coreml"]
    card = read_card(folder, target)
    make = target.load_backend().CoreMLBackend
    with silenced():
        # First the one that may be refused.
        check = ParityCheck(make(folder, card, runtime="apple"))
        recorder = RecordingBackend(make(folder, card, runtime="interpreter"))
    reference = Tracker(recorder)
    with one_thread():
        for index, frame in enumerate(islice(clip, max_frames)):
            said = prompts if index == 0 else None
            expected = reference.track(frame, said)
            for call in recorder.take():
                check.replay(call)
            check.follow(frame, said, expected)
    return RuntimeComparison(check.programs(), check.chain())
