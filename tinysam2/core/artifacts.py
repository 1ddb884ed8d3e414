"""The card that lies beside a target's artifacts and says what they are: `coreml.json`, `executorch.json`, ..."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PureWindowsPath

from tinysam2.core.config import PRESETS, ModelConfig, preset
from tinysam2.core.contract import program_contract
from tinysam2.core.errors import InputError
from tinysam2.core.files import sha256_of, write_text
from tinysam2.core.json_text import parse_json
from tinysam2.core.targets import TARGETS, Target, target

UNKNOWN_LICENCE = "not stated"
"""The licence of weights whose file names none."""


@dataclass(frozen=True)
class ArtifactCard:
    """What one target's artifacts in a folder were made from and with.

    files: program -> the file or package that holds it, in the same folder; programs may share one.
    io_dtype: dtype of the artifact's inputs and outputs. weights: where they come from; weights_digest: their
    sha256; trained: whether they ever were; licence and trained_on: their terms, and the data sets behind them.
    versions: package -> version that made the artifact. digests: file -> its sha256, as `sealed` records it.
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
    digests: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # JSON knows lists alone.
        object.__setattr__(self, "trained_on", tuple(self.trained_on))

    @property
    def config(self) -> ModelConfig:
        return preset(self.preset)

    @property
    def target_entry(self) -> Target:
        return target(self.target)

    def sealed(self, folder: Path) -> "ArtifactCard":
        """This card with the digests of its files as they lie in a folder; `InputError` where one is missing."""
        return replace(self, digests={file: _digest(folder, file) for file in dict.fromkeys(self.files.values())})

    def write(self, folder: Path) -> None:
        write_text(card_path(folder, self.target), json.dumps(asdict(self), indent=2) + "\n")


def card_path(folder: Path, target: str) -> Path:
    """Where a folder's card for a target lies."""
    return folder / f"{target}.json"


def read_card(folder: Path, target: Target) -> ArtifactCard:
    """The card of a target's artifacts in a folder.

    Every file is read through once, so that no runtime is given another than was converted. Raises InputError where
    there is none, it cannot be read, names a file outside the folder, or a file is missing or not what it was.
    """
    path = card_path(folder, target.name)
    if not path.is_file():
        raise InputError(
            f"{folder} holds no {target.title} artifacts ({path.name} is missing); "
            f"make them with: tinysam2 convert {target.name} --output {folder}"
        )
    try:
        card = ArtifactCard(**parse_json(path.read_text(encoding="utf-8")))
        described = (
            card.target == target.name
            and isinstance(card.files, dict)
            and set(card.files) == set(program_contract(PRESETS[card.preset]))
            and card.io_dtype == target.precisions.get(card.precision)
            and isinstance(card.trained, bool)
            and isinstance(card.versions, dict)
            and isinstance(card.licence, str)
            and all(isinstance(data, str) for data in card.trained_on)
        )
    except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
        raise InputError(f"{path} is not an artifact card that this version can read; convert again") from error
    if not described:
        raise InputError(f"{path} does not describe {target.title} artifacts of {card.preset}; convert again")
    for file in card.files.values():
        if not _is_plain_name(file):
            raise InputError(f"{path} names the file {file!r}, which cannot lie beside it; convert again")
    if not isinstance(card.digests, dict) or set(card.digests) != set(card.files.values()):
        raise InputError(f"{path} records no sha256 of its files, as former versions did not; convert again")
    for file, digest in card.digests.items():
        if _digest(folder, file) != digest:
            raise InputError(f"{folder / file} is not the file that was converted (sha256 differs); convert again")
    return card


def _is_plain_name(file: object) -> bool:
    # Windows' rules take every other system's separators too, and drives.
    return (
        isinstance(file, str) and file.isprintable() and file not in ("", "..") and PureWindowsPath(file).name == file
    )


def _digest(folder: Path, file: str) -> str:
    """sha256 of a file; of a package, over the paths and the sha256 of all files within, in the order of the paths."""
    path = folder / file
    try:
        _check_within(path, folder)
        if path.is_file():
            return sha256_of(path)
        if not path.is_dir():
            raise InputError(f"{path} is missing, though the card beside it names it; convert again")
        lines = []
        for inner in sorted(path.rglob("*")):
            _check_within(inner, path)
            if inner.is_file():
                lines.append(f"{sha256_of(inner)}  {inner.relative_to(path).as_posix()}\n")
            elif not inner.is_dir():
                raise InputError(f"{inner} is neither a file nor a folder; convert again")
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read ({error}); convert again") from error
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _check_within(path: Path, folder: Path) -> None:
    """Raises InputError where a link leads out of a folder."""
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path} is a link that leads out of {folder}; convert again")


def targets_in(folder: Path) -> list[Target]:
    """The targets whose artifacts lie in a folder; `InputError` where there are none, or no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of artifacts; make one with: tinysam2 convert")
    found = [target for target in TARGETS.values() if card_path(folder, target.name).is_file()]
    if not found:
        wanted = ", ".join(f"{name}.json" for name in TARGETS)
        raise InputError(f"{folder} holds no artifacts (none of {wanted}); make some with: tinysam2 convert")
    return found
