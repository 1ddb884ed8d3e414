"""The memory budget: the MiB that a preset may take, as a file gives them or by default."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json


@dataclass(frozen=True)
class Limit:
    """MiB, and why the limit stands there. Raises ValueError where it is no number, or below 0."""

    mib: float
    reason: str

    def __post_init__(self) -> None:
        number = isinstance(self.mib, int | float) and not isinstance(self.mib, bool)
        if not number or not 0 <= self.mib <= sys.float_info.max:
            raise ValueError(f"Limit.mib is {self.mib!r}; it must be a finite number of at least 0")


@dataclass(frozen=True)
class Budget:
    """What a model may take, whatever the runtime.

    bank: an object's. activations: of any one program. weights: of all programs. total: weights, activations, the
    encoder's features and one object's bank. growth_over_300_frames: by how much a process may grow with the video,
    beyond what the measurement itself cannot tell.
    """

    bank: Limit
    activations: Limit
    weights: Limit
    total: Limit
    growth_over_300_frames: Limit


NO_GROWTH = Limit(0, "memory does not grow with the video")

BANK = "an object's bank in fp32; docs/memory.md#the-budget"
MOST = "about a tenth above the most that any target takes in fp32; docs/memory.md#the-budget"


def _budget(bank: float, activations: float, weights: float, total: float) -> Budget:
    return Budget(Limit(bank, BANK), Limit(activations, MOST), Limit(weights, MOST), Limit(total, MOST), NO_GROWTH)


_BUDGETS: dict[str, Budget] = {
    "tinysam2": _budget(bank=0.53, activations=120, weights=76, total=320),
    "tinysam2-512": _budget(bank=0.15, activations=21, weights=60, total=125),
    "nano": _budget(bank=0.025, activations=2.5, weights=9.5, total=15.4),
}

DEFAULT_BUDGETS: Mapping[str, Budget] = MappingProxyType(_BUDGETS)
"""By preset. `tinysam2 validate` prints what is taken."""

LIMITS = tuple(field.name for field in fields(Budget))


def register_budget(preset: str, budget: Budget) -> None:
    """Gives a preset its budget; `tinysam2.register_preset` adds the preset with it.

    Raises InputError where the preset has one.
    """
    if preset in DEFAULT_BUDGETS:
        raise InputError(f"preset '{preset}' already has a memory budget; choose another name")
    _BUDGETS[preset] = budget


def unregister_budget(preset: str) -> None:
    """Takes a preset's budget out again; nothing happens where it has none."""
    _BUDGETS.pop(preset, None)


def default_budget(preset: str) -> Budget:
    """The preset's own budget. Raises InputError where it has none."""
    if preset not in DEFAULT_BUDGETS:
        raise InputError(
            f"preset '{preset}' has no memory budget; register it with one, by tinysam2.register_preset(config, budget)"
        )
    return DEFAULT_BUDGETS[preset]


def read_budget(path: Path | None, preset: str) -> Budget:
    """The preset's budget, with the limits that a JSON file names in place of the default ones.

    The file is one object; its keys are fields of `Budget`, its values MiB. Raises InputError where it is missing,
    is no such object, or a limit is unknown or no number of at least 0.
    """
    budget = default_budget(preset)
    if path is None:
        return budget
    if not path.is_file():
        raise InputError(f"budget {path} does not exist; it must be a JSON file of limits in MiB")
    try:
        named = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"budget {path} is not JSON ({error}); write {_example()}") from error
    if not isinstance(named, dict):
        raise InputError(f"budget {path} is not a JSON object; write {_example()}")
    for name, mib in named.items():
        if name not in LIMITS:
            raise InputError(f"budget {path} has an unknown limit '{name}'; the limits are {', '.join(LIMITS)}")
        try:
            limit = Limit(mib, f"the limit in {path.name}")
        except ValueError as error:
            raise InputError(
                f"budget {path}: {name} is {json.dumps(mib)}; it must be a number of MiB, at least 0"
            ) from error
        budget = replace(budget, **{name: limit})
    return budget


def _example() -> str:
    return '{"activations": 3, "total": 20}, say'
