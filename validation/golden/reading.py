"""A bundle's golden vectors, read back and checked against their schema."""

from dataclasses import dataclass
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.manifest import GOLDEN_INDEX
from tinysam2.validation.golden.recording import TENSORS
from tinysam2.validation.golden.schemas import golden_schema, read_json
from tinysam2.validation.golden.tensors import TensorReader


@dataclass(frozen=True, eq=False)
class Golden:
    """The index, as `golden.schema.json` describes it, and the tensors that it names."""

    index: dict
    tensors: TensorReader

    def programs(self, target: str) -> list[dict]:
        """The program entries of one target, in the index's order."""
        return [entry for entry in self.index["programs"] if entry["target"] == target]


def read_golden(bundle: Path) -> Golden:
    """The golden vectors in a bundle's folder.

    Raises InputError where they cannot be read, break their schema, or name a tensor that is not there.
    """
    index = read_json(bundle / GOLDEN_INDEX, golden_schema(), "ship the bundle again")
    tensors = TensorReader(bundle / TENSORS, index["tensors"])
    for name in index["tensors"]:
        tensors[name]
    trace = index["trace"]
    for target, results in trace["results"].items():
        if len(results) != len(trace["frames"]) or target not in trace["tolerance"]:
            raise InputError(
                f"{bundle / GOLDEN_INDEX} has {len(results)} frames of {target} and a trace of "
                f"{len(trace['frames'])}, or no tolerance for them; ship the bundle again"
            )
    return Golden(index, tensors)
