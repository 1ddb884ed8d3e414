"""What an import did, as plain data: what was loaded, what was not, and what was left over and why."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tinysam2.models.weights.terms import Terms

MODULES = (
    "image_encoder.trunk",
    "image_encoder",
    "memory_attention",
    "mask_decoder.prompt_encoder",
    "mask_decoder",
    "memory_encoder",
)
"""Modules that the report counts by; a tensor belongs to the first whose name begins its own."""

COUNTER = "num_batches_tracked"
"""BatchNorm's count of batches: loaded where there is one, but no weight that could be missing."""


@dataclass(frozen=True)
class ModuleReport:
    """One of our modules: its tensors that were loaded, that keep their initialisation, and that were set to zero
    since the source's model adds nothing there."""

    module: str
    loaded: tuple[str, ...]
    initialised: tuple[str, ...]
    zeroed: tuple[str, ...]
    loaded_parameters: int
    initialised_parameters: int
    zeroed_parameters: int


@dataclass(frozen=True)
class LeftOver:
    """Tensors of the source that were not used, by the reason why."""

    reason: str
    keys: tuple[str, ...]
    parameters: int


@dataclass(frozen=True)
class ImportReport:
    """The account of an import. `kind` is what the source was taken for, `preset` what it was loaded into, `terms`
    the licence and data of the published weights of that kind."""

    source: Path
    kind: str
    preset: str
    modules: tuple[ModuleReport, ...]
    left_over: tuple[LeftOver, ...]
    terms: Terms

    COLUMNS = ("part", "what happened", "tensors", "parameters", "why")

    def rows(self) -> list[tuple[str, str, int, int, str]]:
        """The report as a table, ready to print; `COLUMNS` names what a row holds."""
        rows = []
        for module in self.modules:
            if module.loaded:
                rows.append((module.module, "loaded", len(module.loaded), module.loaded_parameters, ""))
            if module.initialised:
                count, parameters = len(module.initialised), module.initialised_parameters
                rows.append((module.module, "initialised", count, parameters, f"no source in {self.kind}"))
            if module.zeroed:
                count, parameters = len(module.zeroed), module.zeroed_parameters
                rows.append((module.module, "set to zero", count, parameters, f"{self.kind} adds none"))
        for group in self.left_over:
            part = _common_part(group.keys)
            rows.append((part, "left over", len(group.keys), group.parameters, group.reason))
        return rows


def module_reports(state: Mapping[str, Tensor], loaded: Set[str], zeroed: Set[str]) -> tuple[ModuleReport, ...]:
    """Sorts the tensors of a whole model into modules, and into loaded ones, zeroed ones and others."""
    members: dict[str, list[str]] = {module: [] for module in MODULES}
    for name in state:
        members[next(module for module in MODULES if name.startswith(f"{module}."))].append(name)
    reports = []
    for module, names in members.items():
        there = tuple(name for name in names if name in loaded)
        zero = tuple(name for name in names if name in zeroed)
        kept = tuple(name for name in names if name not in loaded | zeroed and not name.endswith(COUNTER))
        counts = (_count(state, group) for group in (there, kept, zero))
        reports.append(ModuleReport(module, there, kept, zero, *counts))
    return tuple(reports)


def left_over_reports(state: Mapping[str, Tensor], reasons: Mapping[str, str]) -> tuple[LeftOver, ...]:
    """Groups a source's unused tensors by reason, in the order in which the reasons first occur."""
    groups: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        groups.setdefault(reason, []).append(key)
    return tuple(LeftOver(reason, tuple(keys), _count(state, keys)) for reason, keys in groups.items())


def _count(state: Mapping[str, Tensor], names: list[str] | tuple[str, ...]) -> int:
    return sum(state[name].numel() for name in names)


def _common_part(keys: tuple[str, ...]) -> str:
    """The dotted name that all keys share, or the key itself where there is one."""
    parts = [key.split(".") for key in keys]
    shared = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared) or f"{keys[0]}, ..."
