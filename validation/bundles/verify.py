"""Verifying a bundle: its files, its artifacts in the reference runtimes, its golden vectors and its budgets."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tinysam2.core.artifacts import read_card
from tinysam2.core.config import PRESETS, ModelConfig
from tinysam2.core.contract import program_contract
from tinysam2.core.empty_bank import empty_bank
from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json
from tinysam2.core.manifest import MANIFEST, read_manifest
from tinysam2.core.targets import TARGETS
from tinysam2.core.units import MIB
from tinysam2.mobile_runtime.loading import load_artifacts
from tinysam2.validation.bundles.device import DeviceReplay, judge_results, read_results
from tinysam2.validation.bundles.files import digest_gate, file_gates, manifest_sha256
from tinysam2.validation.gate import Gate
from tinysam2.validation.golden.gates import golden_gates
from tinysam2.validation.golden.reading import Golden, read_golden
from tinysam2.validation.golden.replay import replay
from tinysam2.validation.memory.budget import Budget, Limit, default_budget
from tinysam2.validation.memory.gates import budget_gates

VERIFY_VERSION = 1
"""Raised when a field of the JSON report changes its meaning or goes."""

LOADS = "an artifact that its manifest vouches for loads in the reference runtime"
CONTRACT = "the manifest describes the programs of its preset: docs/bundles.md#manifest"


@dataclass(frozen=True)
class TargetVerdict:
    """One target of a bundle. not_checked: why its artifacts were not run here; empty where they were."""

    target: str
    precision: str
    gates: tuple[Gate, ...] = ()
    not_checked: str = ""

    @property
    def passed(self) -> bool:
        return not self.not_checked and all(gate.passed for gate in self.gates)


@dataclass(frozen=True)
class Verification:
    """What was found of a bundle. sha256: its manifest's. gates: on the bundle as a whole; where one of them failed, no
    artifact was loaded, and targets is empty. device: what a phone's replay gave, where its results were read."""

    bundle: str
    sha256: str
    preset: str
    platform: str
    gates: tuple[Gate, ...]
    targets: tuple[TargetVerdict, ...] = ()
    device: DeviceReplay | None = None

    @property
    def passed(self) -> bool:
        """Every gate passed, and at least one target was run here. A target that was not checked fails nothing."""
        checked = [target for target in self.targets if not target.not_checked]
        return (
            all(gate.passed for gate in self.gates)
            and bool(checked)
            and all(target.passed for target in checked)
            and (self.device is None or self.device.passed)
        )

    def to_json(self) -> dict:
        return {
            "verify_version": VERIFY_VERSION,
            "bundle": self.bundle,
            "manifest_sha256": self.sha256,
            "preset": self.preset,
            "platform": self.platform,
            "gates": _gates_json(self.gates),
            "targets": [
                {**asdict(target), "gates": _gates_json(target.gates), "passed": target.passed}
                for target in self.targets
            ],
            "device": self.device and self.device.to_json(),
            "passed": self.passed,
        }


def verify_bundle(
    bundle: Path, name: str, results: Path | None = None, begin: Callable[[str], None] = lambda step: None
) -> Verification:
    """Verifies a bundle's folder. name: what it is called in the report. results: what a device's replay wrote.

    Nothing is loaded of a bundle whose files are not those of its manifest. begin: is told each step.
    Raises InputError where the manifest or the golden vectors cannot be read, or the results are another bundle's.
    """
    told = read_results(results) if results else None
    begin("reading the files")
    sha256, gates = manifest_sha256(bundle), [digest_gate(bundle)]
    if not gates[0].passed:
        return Verification(name, sha256, "", "", tuple(gates))
    manifest = read_manifest(bundle / MANIFEST)
    gates += file_gates(bundle, manifest["files"])
    about = (name, sha256, manifest["preset"], manifest["platform"])
    if not all(gate.passed for gate in gates):
        return Verification(*about, tuple(gates))
    config = _config(manifest)
    golden = _golden(bundle, manifest)
    budget = _budget(bundle, manifest)
    gates += _contract_gates(manifest, config, budget)
    targets = []
    for target in manifest["targets"]:
        begin(f"replaying the golden vectors of {target}")
        targets.append(_verify_target(bundle, manifest, target, golden, budget))
    # Last, so that results are judged by golden vectors that fit.
    device = judge_results(told, results, golden, sha256) if told and results else None
    return Verification(*about, tuple(gates), tuple(targets), device)


def _verify_target(bundle: Path, manifest: Mapping, target: str, golden: Golden, budget: Budget) -> TargetVerdict:
    precision = manifest["targets"][target]["precision"]
    if target not in TARGETS:
        return TargetVerdict(target, precision, not_checked="the target is not registered here")
    entry = TARGETS[target]
    try:
        entry.require_installed()
    except InputError as error:
        return TargetVerdict(target, precision, not_checked=str(error))
    try:
        card = read_card(bundle, entry)
        if (card.precision, dict(card.files)) != (precision, manifest["targets"][target]["files"]):
            raise InputError(f"{target}.json and the manifest name other files or precisions")
        backend = load_artifacts(entry, bundle)
    except InputError as error:
        return TargetVerdict(target, precision, (Gate(target, "artifacts loaded", 0, 1, True, LOADS, str(error)),))
    gates = [Gate(target, "artifacts loaded", 1, 1, True, LOADS)]
    try:
        gates += golden_gates(golden, target, replay(golden, target, backend))
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"the golden vectors do not fit {target} ({error}); ship the bundle again") from error
    bank = sum(tensor.nbytes for tensor in empty_bank(backend.config, backend.io_dtype).values())
    gates.append(Gate("bank", "MiB", bank / MIB, budget.bank.mib, False, budget.bank.reason))
    if memory := backend.memory():
        gates += budget_gates(memory, budget)
    return TargetVerdict(target, precision, tuple(gates))


def _config(manifest: Mapping) -> ModelConfig:
    if manifest["preset"] not in PRESETS:
        raise InputError(
            f"the bundle is of preset '{manifest['preset']}', which is not registered here; the presets are "
            f"{', '.join(PRESETS)}"
        )
    return PRESETS[manifest["preset"]]


def _golden(bundle: Path, manifest: Mapping) -> Golden:
    if manifest["golden"] is None:
        raise InputError(f"{bundle.name} holds no golden vectors; ship the bundle again")
    golden = read_golden(bundle)
    for target in manifest["targets"]:
        if target not in golden.index["trace"]["results"] or not golden.programs(target):
            raise InputError(f"{bundle.name} holds no golden vectors of {target}; ship the bundle again")
    return golden


def _budget(bundle: Path, manifest: Mapping) -> Budget:
    """The limits that the bundle was shipped under, the preset's own where its report does not tell."""
    try:
        limits = parse_json((bundle / manifest["parity"]["report"]).read_text(encoding="utf-8"))["budget"]
        return Budget(**{name: Limit(**limit) for name, limit in limits.items()})
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        return default_budget(manifest["preset"])


def _contract_gates(manifest: Mapping, config: ModelConfig, budget: Budget) -> Iterator[Gate]:
    told = {program["name"]: program for program in manifest["programs"]}
    wanted = program_contract(config)
    differing = [
        name
        for name in {**wanted, **told}
        if name not in told
        or name not in wanted
        or any(
            [(tensor["name"], tuple(tensor["shape"])) for tensor in told[name][side]]
            != [(tensor.name, tensor.shape) for tensor in getattr(wanted[name], side)]
            for side in ("inputs", "outputs")
        )
    ]
    yield Gate("manifest", "programs that differ", len(differing), 0, False, CONTRACT, ", ".join(differing))
    failed = [target for target, passed in manifest["parity"]["targets"].items() if not passed]
    yield Gate(
        "manifest", "targets without parity", len(failed), 0, False, "shipped with --keep-failed", ", ".join(failed)
    )
    told_bytes = manifest["budget"]["bank_bytes_per_object"] / MIB
    yield Gate("manifest", "bank MiB", told_bytes, budget.bank.mib, False, budget.bank.reason)


def _gates_json(gates: tuple[Gate, ...]) -> list[dict]:
    return [{**asdict(gate), "passed": gate.passed} for gate in gates]
