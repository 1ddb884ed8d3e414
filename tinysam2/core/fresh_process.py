"""A fresh Python process that does one thing and answers in lines of JSON.

It neither shares this one's packages and memory nor runs the caller's main module again, and knows the targets and
presets that were registered here.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from tinysam2.core.config import PRESETS, ModelConfig, register_config
from tinysam2.core.errors import InputError
from tinysam2.core.json_data import from_data, to_data
from tinysam2.core.silencing import stdout_for_answers
from tinysam2.core.targets import TARGETS, RuntimePackage, Target, register_target

REFUSED = "refused"
"""The answer of a process that was given bad input: the sentence of its InputError."""


REGISTERED = "TINYSAM2_REGISTERED"
"""The environment variable by which a fresh process is told what is registered; unset where a person starts it."""


class FreshProcess:
    """`python -m MODULE`, whose `main` is an `answering` call, to be used as a context that it does not outlive.

    What it and its libraries print goes into a file: `noise`.
    """

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        command = [sys.executable, "-m", module, *arguments]
        # Neither what was registered in this process nor where its modules lie is known to a fresh one.
        told = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), REGISTERED: json.dumps(_registered())}
        self._noise = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise, text=True, env=os.environ | told
        )

    def __enter__(self) -> "FreshProcess":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()
        for stream in (self._process.stdin, self._process.stdout, self._noise):
            if stream is not None:
                stream.close()

    def answers(self) -> Iterator[dict[str, Any]]:
        """Its answers, as they come, until it ends. Raises InputError where it refuses its input."""
        assert self._process.stdout is not None  # it is a pipe
        for line in self._process.stdout:
            answer = json.loads(line)
            if REFUSED in answer:
                raise InputError(answer[REFUSED])
            yield answer

    def end(self) -> None:
        """Kills it, where it still runs."""
        self._process.kill()
        self._process.wait()

    def outcome(self) -> str:
        """How it ended, in words: "status 1", "SIGKILL"."""
        status = self._process.wait()
        return signal.Signals(-status).name if status < 0 else f"status {status}"

    @property
    def ended_well(self) -> bool:
        return self._process.wait() == 0

    def noise(self) -> str:
        """What it printed, less its answers."""
        self._noise.seek(0)
        return self._noise.read().strip()


def answering(work: Callable[[list[str], Callable[..., None]], None]) -> None:
    """Does the work that this fresh process is for.

    work: takes the arguments and `say`, which gives keywords as an answer. An InputError that it raises is answered.
    The process ends when the one that started it does.
    """
    registered = os.environ.get(REGISTERED)
    if registered is not None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    with stdout_for_answers() as answers:

        def say(**answer: object) -> None:
            print(json.dumps(answer), file=answers, flush=True)

        try:
            if registered is not None:
                _register(json.loads(registered))
            work(sys.argv[1:], say)
        except InputError as error:
            say(**{REFUSED: str(error)})


def _end_with_parent() -> None:
    # Nobody writes there: it ends when its other end is closed, by whatever ends the parent. Read without Python's
    # buffer, whose lock a thread must not hold when the interpreter ends.
    os.read(0, 1)
    os._exit(1)


def _registered() -> dict[str, list]:
    """The registered targets and presets as JSON's types, from which `_register` makes them again."""
    targets = [
        {
            **vars(entry),
            "precisions": dict(entry.precisions),
            "stages": dict(entry.stages),
            "runtime": vars(entry.runtime) | {"packages": dict(entry.runtime.packages)},
        }
        for entry in TARGETS.values()
    ]
    return {"targets": targets, "presets": [to_data(config) for config in PRESETS.values()]}


def _register(described: Mapping) -> None:
    """Registers those targets and presets of a `_registered` that are not there yet."""
    for fields in described["targets"]:
        if fields["name"] not in TARGETS:
            register_target(Target(**{**_with_tuples(fields), "runtime": RuntimePackage(**fields["runtime"])}))
    for fields in described["presets"]:
        if fields["name"] not in PRESETS:
            register_config(from_data(ModelConfig, fields))


def _with_tuples(fields: Mapping) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
