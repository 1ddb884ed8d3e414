"""Applies a source's rules to its state dict and fills the rest of the model with its seeded weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tinysam2.core.config import ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.models.weights.checkpoint import seeded_model
from tinysam2.models.weights.importing.reading import read_state
from tinysam2.models.weights.importing.report import COUNTER, ImportReport, left_over_reports, module_reports
from tinysam2.models.weights.importing.rules import RenamingRule
from tinysam2.models.weights.importing.sources import KINDS, SourceKind, detect

TRUNK = "image_encoder.trunk."
"""A trunk is imported whole or not at all."""

UNKNOWN = "unknown name"


class ImportedWeights(NamedTuple):
    """A whole state dict for `TinySAM2(config)`, and the account of where it comes from."""

    state: dict[str, Tensor]
    report: ImportReport


def import_weights(source: str | Path, config: ModelConfig) -> ImportedWeights:
    """The weights of a SAM 2.1, EdgeTAM or RepViT checkpoint for a model of that config.

    Reads `.pt`, `.pth` and `.safetensors`; the kind is told by the keys. Tensors without a source keep the
    values of `seeded_model(config)`, but for those of terms that the source's model does not add: they are zero.
    Raises `InputError` where the file is missing, damaged or of no known kind, or a tensor does not fit.
    """
    path = Path(source)
    given = read_state(path)
    kind = detect(given)
    if kind is None:
        known = ", ".join(kind.name for kind in KINDS)
        raise InputError(f"weights {path} are of no known kind; these can be imported: {known}")
    state = seeded_model(config).state_dict()
    loaded, reasons = _Import(path, config, state).apply(kind, given)
    zeroed = {name: torch.zeros_like(state[name]) for name in kind.zeroed if name not in loaded}
    report = ImportReport(
        path,
        kind.name,
        config.name,
        module_reports(state, loaded.keys(), zeroed.keys()),
        left_over_reports(given, reasons),
        kind.terms,
    )
    return ImportedWeights(state | loaded | zeroed, report)


class _Import:
    """One run: `wanted` are the model's own tensors, whose names, shapes and dtypes the source must meet."""

    def __init__(self, path: Path, config: ModelConfig, wanted: Mapping[str, Tensor]) -> None:
        self.path, self.config, self.wanted = path, config, wanted

    def apply(self, kind: SourceKind, given: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Our tensors by name, and the reason why for each source tensor that is left over."""
        loaded: dict[str, Tensor] = {}
        rows: dict[str, dict[int, Tensor]] = {}
        reasons: dict[str, str] = {}
        for key, tensor in given.items():
            rule, target = _find(kind.rules, key)
            if rule is None or target is None:
                reasons[key] = UNKNOWN if rule is None else rule.why
                continue
            name, row = _split_row(target)
            if name not in self.wanted:
                if rule.exact:
                    raise InputError(
                        f"weights {self.path} have {key}, which preset {self.config.name}'s RepViT has not"
                    )
                reasons[key] = rule.why
                continue
            fitted = self._fitted(key, tensor, rule, name, row)
            if row is not None:
                rows.setdefault(name, {})[row] = fitted
            elif name in loaded and not torch.equal(loaded[name], fitted):
                raise InputError(f"weights {self.path} have several {name} that differ, one of them {key}")
            else:
                loaded[name] = fitted
        loaded |= {name: self._joined(name, parts) for name, parts in rows.items()}
        self._check_trunk(loaded)
        return loaded, reasons

    def _fitted(self, key: str, tensor: Tensor, rule: RenamingRule, name: str, row: int | None) -> Tensor:
        """The tensor in our layout and dtype; a row has its own leading dimension of 1."""
        wanted = self.wanted[name]
        shape = wanted.shape if row is None else (1, *wanted.shape[1:])
        try:
            fitted = tensor if rule.transform is None else rule.transform(tensor)
        except (
            IndexError,
            RuntimeError,
            TypeError,
            ValueError,
        ):  # too few dimensions for the change of layout
            fitted = None
        if fitted is None or fitted.shape != shape:
            raise InputError(
                f"weights {self.path} have {key} of shape {list(tensor.shape)}; it does not fit "
                f"{name} of shape {list(wanted.shape)} in preset {self.config.name}"
            )
        if not torch.isfinite(fitted).all():
            raise InputError(f"weights {self.path} have values in {key} that are not finite; weights must be numbers")
        return fitted.to(wanted.dtype).contiguous().clone()

    def _joined(self, name: str, rows: Mapping[int, Tensor]) -> Tensor:
        count = len(self.wanted[name])
        if sorted(rows) != list(range(count)):
            raise InputError(f"weights {self.path} have rows {sorted(rows)} of {name}; it has {count}, from 0")
        return torch.cat([rows[i] for i in range(count)])

    def _check_trunk(self, loaded: Mapping[str, Tensor]) -> None:
        trunk = [name for name in self.wanted if name.startswith(TRUNK) and not name.endswith(COUNTER)]
        missing = [name for name in trunk if name not in loaded]
        if missing and len(missing) < len(trunk):
            raise InputError(f"weights {self.path} lack {missing[0]}, which preset {self.config.name}'s RepViT has")


def _find(rules: tuple[RenamingRule, ...], key: str) -> tuple[RenamingRule | None, str | None]:
    """The first rule for a key and the target that it names."""
    for rule in rules:
        if found := rule.match(key):
            return rule, None if rule.target is None else rule.target.format(**found.groupdict())
    return None, None


def _split_row(target: str) -> tuple[str, int | None]:
    """`name[2]` -> name and 2; `name` -> name and None."""
    row = re.fullmatch(r"(.+)\[(\d+)\]", target)
    return (row[1], int(row[2])) if row else (target, None)
