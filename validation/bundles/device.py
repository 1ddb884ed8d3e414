"""What host code measured on a device, read back and checked to be of this bundle."""

from dataclasses import asdict, dataclass
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.validation.gate import Gate
from tinysam2.validation.golden.gates import golden_gates
from tinysam2.validation.golden.reading import Golden
from tinysam2.validation.golden.schemas import read_json, results_schema


@dataclass(frozen=True, eq=False)
class DeviceReplay:
    """A replay on a device: the results as they were written, and the verdicts on them."""

    results: dict
    gates: tuple[Gate, ...]

    @property
    def target(self) -> str:
        return self.results["target"]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict:
        return {
            "target": self.target,
            "device": self.results["device"],
            "latency_ms": self.results["latency_ms"],
            "peak_memory_bytes": self.results["peak_memory_bytes"],
            "gates": [{**asdict(gate), "passed": gate.passed} for gate in self.gates],
            "passed": self.passed,
        }


def read_results(path: Path) -> dict:
    """A replay's results. Raises InputError where the file cannot be read or breaks its schema."""
    return read_json(path, results_schema(), "replay the bundle on the device again")


def judge_results(results: dict, path: Path, golden: Golden, manifest_sha256: str) -> DeviceReplay:
    """The verdicts on a device's results, by the gates of the replay here.

    path: of the results. Raises InputError where they are another bundle's, or of a target that this one has not.
    """
    if results["manifest_sha256"] != manifest_sha256:
        raise InputError(
            f"{path} is of another bundle, whose manifest's sha256 begins with {results['manifest_sha256'][:12]}, not "
            f"{manifest_sha256[:12]}; replay this bundle on the device"
        )
    targets = golden.index["trace"]["results"]
    if results["target"] not in targets:
        raise InputError(f"{path} is of the target '{results['target']}'; the bundle has {', '.join(targets)}")
    return DeviceReplay(results, tuple(golden_gates(golden, results["target"], results)))
