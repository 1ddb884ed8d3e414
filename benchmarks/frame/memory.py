"""Peak memory of one contender in a process of its own; `python -m benchmarks.frame.memory` is that process."""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.frame.contenders import OURS, Calls, Contender, Setting, calls_of, contender
from benchmarks.frame.runtimes import import_runtime
from tinysam2.core.silencing import silenced, stdout_for_answers
from tinysam2.core.targets import TORCH
from tinysam2.mobile_runtime.threads import one_thread
from tinysam2.validation.memory.measured import can_measure, peak_of, settled_bytes


def peak_memory(measured: Contender, setting: Setting, borrowed: Mapping[str, Path]) -> int | None:
    """Resident anonymous bytes that a contender adds at the fullest moment of a frame, weights with them; None where
    the system does not tell. borrowed: files of the programs that it borrows.

    Raises RuntimeError where the process ended without an answer.
    """
    if not can_measure():
        return None
    files = {**measured.files, **{name: borrowed[name] for name in measured.borrowed if name in borrowed}}
    command = [sys.executable, "-m", "benchmarks.frame.memory"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    asked = pickle.dumps((measured.name, files, setting))
    ended = subprocess.run(command, input=asked, capture_output=True, env=environment)
    if ended.returncode:
        last_words = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"the process that measures {measured.key} ended with {ended.returncode}: {last_words}")
    return int(ended.stdout)


def _calls(name: str, files: Mapping[str, Path], setting: Setting) -> Calls:
    return contender(name, setting).calls if setting.runtime == TORCH else calls_of(files, setting)


def main() -> None:
    """Reads what to measure from standard input, as `peak_memory` writes it, and prints the bytes."""
    name, files, setting = pickle.load(sys.stdin.buffer)
    with stdout_for_answers() as answers, silenced(), one_thread():
        import_runtime(setting.runtime)
        if setting.runtime == TORCH and name != OURS:
            import transformers  # noqa: F401
        before = settled_bytes()
        calls = _calls(name, files, setting)

        def frame() -> None:
            for call in calls.values():
                call()

        # What is made on first use is part of it.
        frame()
        print(peak_of(frame) - before, file=answers)


if __name__ == "__main__":
    main()
