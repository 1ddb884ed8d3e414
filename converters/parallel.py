"""Conversions in processes of their own, several at a time."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from tinysam2.converters.stages import LOADING, Stages
from tinysam2.core.errors import InputError
from tinysam2.core.fresh_process import FreshProcess
from tinysam2.core.leftovers import recover
from tinysam2.core.targets import Target
from tinysam2.core.units import MIB

PROCESS = "tinysam2.converters.process"


@dataclass(frozen=True)
class Job:
    """One target's conversion. preset: its name; weights: a checkpoint; folder: where the artifacts go."""

    target: Target
    precision: str
    preset: str
    weights: Path
    folder: Path

    @property
    def arguments(self) -> list[str]:
        return [self.target.name, self.precision, self.preset, str(self.weights), str(self.folder)]


def run_jobs(jobs: Sequence[Job], workers: int, stages: Stages) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Converts, at most `workers` at a time; yields each target's name as it is done, with program -> file name.

    Whatever ends this, Ctrl-C say, ends the processes. Raises InputError where one refuses, fails or is killed.
    """
    waiting, running, events = list(jobs), 0, SimpleQueue[tuple[Job, dict | Exception]]()
    with ExitStack() as processes:
        # When all have ended, whatever they had begun to write is removed.
        for folder in {job.folder for job in jobs}:
            processes.callback(recover, folder)
        while waiting or running:
            if waiting and running < workers:
                processes.enter_context(_converting(waiting[0], events))
                stages.begin(waiting.pop(0).target, LOADING)
                running += 1
                continue
            job, event = events.get()
            if isinstance(event, Exception):
                raise event
            if "stage" in event:
                stages.begin(job.target, event["stage"])
            if "files" in event:
                running -= 1
                stages.end(job.target, _figures(event))
                yield job.target.name, event["files"]


@contextmanager
def _converting(job: Job, events: "SimpleQueue[tuple[Job, dict | Exception]]") -> Iterator[None]:
    """A process that converts within the block; a thread puts what it answers, or how it failed, among the events."""
    began = time.perf_counter()

    def relay() -> None:
        try:
            answer: dict = {}
            for answer in process.answers():
                events.put((job, answer | {"seconds": time.perf_counter() - began}))
            if "files" not in answer:
                raise _failure(job, process)
        except Exception as error:
            events.put((job, error))

    with FreshProcess(PROCESS, job.arguments) as process:
        thread = Thread(target=relay)
        thread.start()
        try:
            yield
        finally:
            process.end()
            thread.join()


def _failure(job: Job, process: FreshProcess) -> InputError:
    """What is said of a process that ended without an answer."""
    outcome, noise = process.outcome(), process.noise()
    begun = f"converting to {job.target.title} {job.precision} failed"
    if outcome == "SIGKILL":
        return InputError(f"{begun}: its process was killed; if memory ran out, convert with --workers 1")
    descriptor, log = tempfile.mkstemp(prefix=f"tinysam2-{job.target.name}-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(noise)
    reason = noise.rpartition("\n")[2] or outcome
    return InputError(f"{begun} ({reason}); what its process printed is in {log}")


def _figures(answer: Mapping) -> str:
    return (
        f"converted in {answer['seconds']:.1f} s, {answer['processor_seconds']:.1f} s of processor time, "
        f"at most {answer['peak_bytes'] / MIB:,.0f} MiB"
    )
