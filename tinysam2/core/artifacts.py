"""The card that lies beside a target's artifacts and says what they are: `coreml.json`, `executorch.json`, ..."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinysam2.core.config import PRESETS, ModelConfig, preset
from tinysam2.core.contract import program_contract
from tinysam2.core.errors import InputError
from tinysam2.core.files import write_text
from tinysam2.core.targets import TARGETS, Target, target

UNKNOWN_LICENCE = "not stated"
"""The licence of weights whose file names none."""


@dataclass(frozen=True)
class ArtifactCard:
    """What one target's artifacts in a folder were made from and with.

    files: program -> the file or package that holds it, in the same folder; programs may share one.
    io_dtype: dtype of the artifact's inputs and outputs. weights: where they come from; weights_digest: their
    sha256; trained: whether they ever were; licence and trained_on: their terms, and the data sets behind them.
    versions: package -> version that made the artifact.
    """

    target: str
    preset: str
    precision: str
    io_dtype: str
    files: Mapping[str, str]
    weights: str
    weights_digest: str
    trained: bool
    versions: Mapping[str, str]
    licence: str = UNKNOWN_LICENCE
    trained_on: Sequence[str] = ()

    def __post_init__(self) -> None:
        # JSON knows lists alone.
        object.__setattr__(self, "trained_on", tuple(self.trained_on))

    @property
    def config(self) -> ModelConfig:
        return preset(self.preset)

    @property
    def target_entry(self) -> Target:
        return target(self.target)

    def write(self, folder: Path) -> None:
        write_text(card_path(folder, self.target), json.dumps(asdict(self), indent=2) + "\n")


def card_path(folder: Path, target: str) -> Path:
    """Where a folder's card for a target lies."""
    return folder / f"{target}.json"


def read_card(folder: Path, target: Target) -> ArtifactCard:
    """The card of a target's artifacts in a folder.

    Raises InputError where there is none, it cannot be read, or a file that it names is missing.
    """
    path = card_path(folder, target.name)
    if not path.is_file():
        raise InputError(
            f"{folder} holds no {target.title} artifacts ({path.name} is missing); "
            f"make them with: tinysam2 convert {target.name} --output {folder}"
        )
    try:
        card = ArtifactCard(**json.loads(path.read_text()))
        described = (
            card.target == target.name
            and set(card.files) == set(program_contract(PRESETS[card.preset]))
            and card.io_dtype == target.precisions.get(card.precision)
            and all(Path(file).name == file for file in card.files.values())
            and isinstance(card.trained, bool)
            and isinstance(card.versions, dict)
            and isinstance(card.licence, str)
            and all(isinstance(data, str) for data in card.trained_on)
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not an artifact card that this version can read; convert again") from error
    if not described:
        raise InputError(f"{path} does not describe {target.title} artifacts of {card.preset}; convert again")
    for file in card.files.values():
        if not (folder / file).exists():
            raise InputError(f"{folder / file} is missing, though {path.name} names it; convert again")
    return card


def targets_in(folder: Path) -> list[Target]:
    """The targets whose artifacts lie in a folder; `InputError` where there are none, or no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of artifacts; make one with: tinysam2 convert")
    found = [target for target in TARGETS.values() if card_path(folder, target.name).is_file()]
    if not found:
        wanted = ", ".join(f"{name}.json" for name in TARGETS)
        raise InputError(f"{folder} holds no artifacts (none of {wanted}); make some with: tinysam2 convert")
    return found
