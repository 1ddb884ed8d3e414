"""Measures a model's memory in a process of its own; `python -m tinysam2.validation.memory.process` is that process."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tinysam2.core.config import preset
from tinysam2.core.fresh_process import FreshProcess, answering
from tinysam2.core.silencing import silenced
from tinysam2.core.targets import TORCH, target
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.validation.memory.measured import FRAMES, MeasuredMemory, can_measure, measure


def measure_artifacts(
    target: str, folder: Path, frames: int = FRAMES, progress: Callable[[int], None] = lambda frames_done: None
) -> MeasuredMemory | None:
    """Memory of a target's artifacts in a folder, in a fresh process; None where the system does not tell.

    Raises InputError where the artifacts cannot be loaded, RuntimeError where the process ended without an answer.
    """
    return _run([target, str(folder)], frames, progress)


def measure_float(
    model, frames: int = FRAMES, progress: Callable[[int], None] = lambda frames_done: None
) -> MeasuredMemory | None:
    """Memory of a `TinySAM2` in PyTorch, in a fresh process; None where the system does not tell."""
    from tinysam2.models.weights.checkpoint import save_checkpoint

    with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        path = Path(name) / "weights.safetensors"
        save_checkpoint(model.state_dict(), path, {"preset": model.config.name})
        return _run([TORCH, str(path), "--preset", model.config.name], frames, progress)


def _run(arguments: Sequence[str], frames: int, progress: Callable[[int], None]) -> MeasuredMemory | None:
    if not can_measure():
        return None
    with FreshProcess(__name__, [*arguments, "--frames", str(frames)]) as process:
        answer: dict = {}
        for answer in process.answers():
            if "frames_done" in answer:
                progress(answer["frames_done"])
        if not process.ended_well or "measured" not in answer:
            last_words = process.noise().rpartition("\n")[2]
            raise RuntimeError(f"the process that measures {arguments[0]} ended with {process.outcome()}: {last_words}")
    return MeasuredMemory(**answer["measured"])


def main(arguments: Sequence[str], say: Callable[..., None]) -> None:
    """Measures, and answers in lines of JSON: `frames_done` as it goes, then `measured`, or `refused` and why."""
    parser = argparse.ArgumentParser(prog="python -m tinysam2.validation.memory.process", description=__doc__)
    parser.add_argument("backend", help="torch or a target")
    parser.add_argument("path", type=Path, help="the folder of artifacts, or torch's checkpoint")
    parser.add_argument("--preset", help="the checkpoint's")
    parser.add_argument("--frames", type=int, default=FRAMES)
    chosen = parser.parse_args(arguments)
    with silenced():
        load = _loader(chosen.backend, chosen.path, chosen.preset)
    say(measured=asdict(measure(load, chosen.frames, lambda done: say(frames_done=done))))


def _loader(backend: str, path: Path, named: str) -> Callable[[], Backend]:
    """A function that loads the model, everything that it imports being there already. named: torch's preset."""
    if backend == TORCH:
        from tinysam2.mobile_runtime.torch_backend import TorchBackend
        from tinysam2.models.weights.checkpoint import load_model

        return lambda: TorchBackend(load_model(preset(named), path).model)
    from tinysam2.mobile_runtime.loading import load_artifacts

    entry = target(backend)
    entry.load_backend()
    return lambda: load_artifacts(entry, path)


if __name__ == "__main__":
    answering(main)
