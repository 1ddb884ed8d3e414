"""One target's unmodified artifacts, what breaks them, and the backends that come of it."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinysam2.core.artifacts import ArtifactCard, card_path
from tinysam2.core.targets import INT8
from tinysam2.data.preprocessing import Preprocessor
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.layout import Layouts
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.validation.gate import Gate
from tinysam2.validation.integers.gates import integer_gates

KEPT, KEPT_BROKEN = 256, 4
"""Calls of the unmodified artifacts, which all faults around them share, and of broken ones, that are not run twice."""

Run = Callable[[str, Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""A program's name and its inputs to its outputs, as `Backend.run`."""


@dataclass(frozen=True, eq=False)
class Bench:
    """The artifacts of one target, which `unmodified` runs; copies of them are broken."""

    loaded: LoadedModel
    folder: Path
    card: ArtifactCard
    unmodified: Backend

    @property
    def name(self) -> str:
        return f"{self.card.target_entry.title} {self.card.precision}"

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy of the artifacts and their card, for as long as it is needed."""
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary)
            self.card.write(copy)
            for file in set(self.card.files.values()):
                source = self.folder / file
                (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / file)
            yield copy


@dataclass(frozen=True, eq=False)
class Broken:
    """A broken artifact in its runtime.

    gates: verdicts beside those on programs and masks: on the integers in its files, or on the frame. preprocessor: the
    app's own; None: the frame contract's.
    """

    backend: Backend
    gates: tuple[Gate, ...] = ()
    preprocessor: Preprocessor | None = None


@dataclass(frozen=True, eq=False)
class Fault:
    """One way to break an artifact or what runs it.

    name, what: in a word, and in a sentence. of: "loop" (what a runtime passes), "frame" (what an app makes of one),
    "weights", "file", "program" or "integers"; "" for none. breaks: what a bench becomes; raises InputError where the
    broken artifact is refused. own_files: whether it can be done only where each program lies in a file of its own.
    """

    name: str
    what: str
    of: str
    breaks: Callable[[Bench], Broken]
    own_files: bool = False

    def applies(self, bench: Bench) -> bool:
        """Whether it can be made there: integers are broken in int8 artifacts alone, weights in float ones."""
        files = bench.card.files.values()
        if self.own_files and len(set(files)) < len(files):
            return False
        return self.of not in (("weights", "program") if bench.card.precision == INT8 else ("integers",))


def loop_fault(name: str, what: str, wrap: Callable[[Run], Run]) -> Fault:
    """A fault of what is around the programs. wrap: what runs a program, to what runs it wrongly."""
    return Fault(name, what, "loop", lambda bench: Broken(_Wrapped(bench.unmodified, wrap)))


def copy_fault(
    name: str,
    what: str,
    of: str,
    damage: Callable[[Path, Bench], None],
    own_files: bool = False,
) -> Fault:
    """A fault of the files. damage: is given a copy of the artifacts to spoil."""

    def breaks(bench: Bench) -> Broken:
        with bench.copied() as folder:
            damage(folder, bench)
            # Or the digest alone would tell, and no gate.
            _read(folder, bench).sealed(folder).write(folder)
            backend = load_artifacts(bench.card.target_entry, folder)
            return Broken(Remembering(backend, KEPT_BROKEN), tuple(integer_gates(bench.loaded, folder, bench.card)))

    return Fault(name, what, of, breaks, own_files)


def edit_card(folder: Path, bench: Bench, **changed: object) -> None:
    """Writes other values into a copy's card."""
    replace(_read(folder, bench), **changed).write(folder)


def _read(folder: Path, bench: Bench) -> ArtifactCard:
    return ArtifactCard(**json.loads(card_path(folder, bench.card.target).read_text()))


class Remembering(Backend):
    """Passes calls on and answers the same call again without running it: most faults leave most calls as they were.

    kept: the calls remembered, the last ones.
    """

    def __init__(self, backend: Backend, kept: int) -> None:
        super().__init__(backend.config, backend.io_dtype.name)
        self.target, self.runtime = backend.target, backend.runtime
        self._backend, self._kept = backend, kept
        self._answers: dict[bytes, dict[str, np.ndarray]] = {}

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        digest = hashlib.sha256(program.encode())
        for value in inputs.values():
            digest.update(value.tobytes())
        key = digest.digest()
        if key not in self._answers:
            if len(self._answers) >= self._kept:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = self._backend.execute(program, inputs)
        return dict(self._answers[key])

    def layouts(self) -> Layouts | None:
        return self._backend.layouts()


class _Wrapped(Backend):
    """Passes every call through a function that spoils inputs or outputs."""

    def __init__(self, unmodified: Backend, wrap: Callable[[Run], Run]) -> None:
        super().__init__(unmodified.config, unmodified.io_dtype.name)
        self.target, self.runtime = unmodified.target, unmodified.runtime
        self._run = wrap(unmodified.run)

    def execute(self, program: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.asarray(value, self.io_dtype) for name, value in self._run(program, inputs).items()}
