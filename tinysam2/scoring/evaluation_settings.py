"""What an evaluation is of, and the file that says so beside its results."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.files import write_text
from tinysam2.core.json_text import parse_json
from tinysam2.data.prompt_kinds import checked_prompt

SETTINGS = "settings.json"

NO_MATTER = ("weights", "trained")
"""Fields in which two runs of one evaluation may differ: the digest says which weights they are, wherever they lie."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Everything that the results depend on, checked when it is made.

    data: the data set's path; split: of it, where it has any; sequences, frames: how many there are. prompt: one of
    `PROMPTS`. preset, backend, runtime, precision: of the model. weights: where they come from; weights_digest: their
    sha256; trained: whether they ever were.
    Raises InputError for another prompt.
    """

    data: str
    split: str | None
    sequences: int
    frames: int
    prompt: str
    preset: str
    backend: str
    runtime: str
    precision: str
    weights: str
    weights_digest: str
    trained: bool

    def __post_init__(self) -> None:
        checked_prompt(self.prompt)

    def claim(self, folder: Path) -> None:
        """Makes a folder this evaluation's, or finds that it is: an interrupted evaluation goes on where it stopped.

        Raises InputError where the folder holds an evaluation with other settings or something else.
        """
        check_evaluation_folder(folder)
        path = folder / SETTINGS
        if path.exists():
            self._check_same(folder, _read(path))
            return
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    def _check_same(self, folder: Path, former: "EvaluationSettings") -> None:
        for field in fields(self):
            there, here = getattr(former, field.name), getattr(self, field.name)
            if there != here and field.name not in NO_MATTER:
                raise InputError(
                    f"{folder} holds an evaluation whose {field.name} is {there}, and now it is {here}; "
                    "go on with the same settings, or name another folder"
                )


def check_evaluation_folder(folder: Path) -> None:
    """Raises InputError where a folder holds something other than an evaluation."""
    # Listed before the settings are looked for: another process may be writing them, and does so before all else.
    # Names with a dot are unfinished files.
    entries = [entry for entry in folder.glob("*") if not entry.name.startswith(".")]
    if entries and not (folder / SETTINGS).exists():
        raise InputError(f"{folder} is not empty and holds no {SETTINGS}; name a new or an empty folder")


def _read(path: Path) -> EvaluationSettings:
    try:
        return EvaluationSettings(**parse_json(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not hold an evaluation's settings; name another folder") from error
