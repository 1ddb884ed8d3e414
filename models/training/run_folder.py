"""The folder of a run: settings, log, curves, the state to resume from and the weights that come out."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path, write_text
from tinysam2.core.json_text import parse_json
from tinysam2.models.training.settings import TrainingSettings
from tinysam2.models.weights.terms import NOT_STATED, Terms

SETTINGS, LOG, STATE, CURVES, WEIGHTS = "run.json", "log.csv", "state.pt", "curves.png", "weights.safetensors"


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it makes. Every file appears whole or not at all. terms: of the weights that come out."""

    path: Path
    terms: Terms = NOT_STATED

    def file(self, name: str) -> Path:
        """One of the run's files."""
        return self.path / name

    def open(self, description: Mapping[str, Any]) -> None:
        """Begins a run, or goes on with the one that lies here if it is the same by its description.

        Raises InputError where another run lies here, and names what differs.
        """
        wanted = json.loads(json.dumps(description))
        file = self.file(SETTINGS)
        if not file.exists():
            if self.path.is_dir() and any(not path.name.startswith(".") for path in self.path.iterdir()):
                raise InputError(f"{self.path} is not empty and holds no {SETTINGS}; name a new or an empty folder")
            write_text(file, json.dumps(wanted, indent=2) + "\n")
            return
        try:
            found = parse_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file} is damaged; remove {self.path} or name another folder") from error
        if difference := _difference(found, wanted):
            raise InputError(f"{self.path} holds another run: {difference}; name another folder, or the same settings")

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Keeps everything that the next step depends on."""
        with atomic_path(self.file(STATE)) as temporary:
            torch.save(dict(state), temporary)

    def load_state(self) -> dict[str, Any] | None:
        """What was kept last; None: nothing yet. Raises InputError where the file is damaged."""
        file = self.file(STATE)
        if not file.exists():
            return None
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises several kinds for a damaged file
            raise InputError(f"{file} is damaged ({error}); remove {self.path} to begin anew") from error

    def write_log(self, rows: list[dict[str, float]]) -> None:
        """Writes the log anew: rows after the last state, of a run that died, are gone with it."""
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.file(LOG), text.getvalue())


def described(settings: TrainingSettings, **more: Any) -> dict[str, Any]:
    """A run's description, as `RunFolder.open` compares it."""
    return {**more, "settings": asdict(settings)}


def _difference(found: Any, wanted: Any, name: str = "") -> str | None:
    """The first entry in which two descriptions differ, in words."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys([*wanted, *found]):
            if difference := _difference(found.get(key), wanted.get(key), f"{name}.{key}" if name else key):
                return difference
        return None
    return None if found == wanted else f"its {name} is {json.dumps(found)}, not {json.dumps(wanted)}"
