"""Measures a model's memory in a process of its own; `python -m tinysam2.validation.memory.process` is that process."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tinysam2.core.config import PRESETS, BankConfig, ModelConfig, RepViTConfig, preset, register_config
from tinysam2.core.errors import InputError
from tinysam2.core.silencing import silenced, stdout_for_answers
from tinysam2.core.targets import TARGETS, TORCH, RuntimePackage, Target, register_target, target
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
    command = [sys.executable, "-m", "tinysam2.validation.memory.process", *arguments, "--frames", str(frames)]
    # A fresh process knows neither what was registered in this one nor where its modules lie.
    command += ["--registered", _registered_json()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer: dict = {}
    with (
        tempfile.TemporaryFile("w+", errors="replace") as noise,
        _ended(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=noise, text=True, env=environment)) as process,
    ):
        assert process.stdout is not None  # it is a pipe
        for line in process.stdout:
            answer = json.loads(line)
            if "frames_done" in answer:
                progress(answer["frames_done"])
        status = process.wait()
        noise.seek(0)
        last_words = noise.read().strip().rpartition("\n")[2]
    if "refused" in answer:
        raise InputError(answer["refused"])
    if status or "measured" not in answer:
        raise RuntimeError(f"the process that measures {arguments[0]} ended with status {status}: {last_words}")
    return MeasuredMemory(**answer["measured"])


@contextmanager
def _ended(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """A process that does not outlive the block, whatever ends it."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    """Measures, and answers in lines of JSON: `frames_done` as it goes, then `measured`, or `refused` and why."""
    parser = argparse.ArgumentParser(prog="python -m tinysam2.validation.memory.process", description=__doc__)
    parser.add_argument("backend", help="torch or a target")
    parser.add_argument("path", type=Path, help="the folder of artifacts, or torch's checkpoint")
    parser.add_argument("--preset", help="the checkpoint's")
    parser.add_argument("--registered", type=json.loads, default={}, help="targets and presets that are used, as JSON")
    parser.add_argument("--frames", type=int, default=FRAMES)
    chosen = parser.parse_args()
    with stdout_for_answers() as answers:

        def say(**answer: object) -> None:
            print(json.dumps(answer), file=answers, flush=True)

        try:
            _register(chosen.registered)
            with silenced():
                load = _loader(chosen.backend, chosen.path, chosen.preset)
            say(measured=asdict(measure(load, chosen.frames, lambda done: say(frames_done=done))))
        except InputError as error:
            say(refused=str(error))


def _registered_json() -> str:
    """The registered targets and presets as JSON, from which `_register` makes them again."""
    targets = [
        {
            **vars(entry),
            "precisions": dict(entry.precisions),
            "runtime": vars(entry.runtime) | {"packages": dict(entry.runtime.packages)},
        }
        for entry in TARGETS.values()
    ]
    return json.dumps({"targets": targets, "presets": [asdict(config) for config in PRESETS.values()]})


def _register(described: Mapping) -> None:
    """Registers those targets and presets of a `_registered_json` that are not there yet."""
    for fields in described.get("targets", ()):
        if fields["name"] not in TARGETS:
            register_target(Target(**{**_with_tuples(fields), "runtime": RuntimePackage(**fields["runtime"])}))
    for fields in described.get("presets", ()):
        if fields["name"] not in PRESETS:
            repvit, bank = RepViTConfig(**_with_tuples(fields["repvit"])), BankConfig(**fields["bank"])
            register_config(ModelConfig(**{**fields, "repvit": repvit, "bank": bank}))


def _with_tuples(fields: Mapping) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


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
    main()
