"""What a bundle's manifest says, from the artifacts' cards and the validation's report."""

import importlib.metadata
from collections.abc import Mapping, Sequence

import numpy as np

from tinysam2.converters.bundle.platforms import DEPLOYMENT
from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import NEXT, TensorSpec, bank_spec, empty_value, program_contract
from tinysam2.core.frame_contract import frame_section
from tinysam2.core.manifest import MANIFEST_VERSION, REPORT
from tinysam2.core.units import MIB


def manifest_of(
    platform: str, cards: Sequence[ArtifactCard], report: Mapping, golden: str | None, files: Mapping[str, Mapping]
) -> dict:
    """The manifest of one platform's bundle. golden: path of the golden vectors' index, where there are any.
    files: path -> bytes and sha256 of everything else. Paths are within the bundle."""
    first = cards[0]
    verdicts = {entry["target"]: entry["passed"] for entry in report["targets"]}
    return {
        "manifest_version": MANIFEST_VERSION,
        "platform": platform,
        "preset": first.preset,
        "tinysam2_version": importlib.metadata.version("tinysam2"),
        "deployment": dict(DEPLOYMENT.get(platform, {})),
        "weights": {
            "source": first.weights,
            "sha256": first.weights_digest,
            "trained": first.trained,
            "licence": first.licence,
            "trained_on": list(first.trained_on),
        },
        "parity": {
            "passed": all(verdicts[card.target] for card in cards),
            "targets": {card.target: verdicts[card.target] for card in cards},
            "report": REPORT,
        },
        "budget": _budget(cards, report),
        "targets": {card.target: _target(platform, card) for card in cards},
        "programs": [
            {
                "name": program.name,
                "inputs": [_tensor(tensor) for tensor in program.inputs],
                "outputs": [_tensor(tensor) for tensor in program.outputs],
            }
            for program in program_contract(first.config).values()
        ],
        "bank": _bank(first.config),
        "frame": frame_section(first.config),
        "golden": golden,
        "files": dict(files),
    }


def bank_bytes(cards: Sequence[ArtifactCard]) -> int:
    """Bytes of one object's memory bank, at the widest of the targets' dtypes."""
    widest = max(np.dtype(card.io_dtype).itemsize for card in cards)
    return widest * sum(int(np.prod(tensor.shape)) for tensor in bank_spec(cards[0].config))


def _budget(cards: Sequence[ArtifactCard], report: Mapping) -> dict:
    taken = bank_bytes(cards)
    limit = int(report["budget"]["bank"]["mib"] * MIB)
    return {"bank_bytes_per_object": taken, "limit_bytes_per_object": limit, "passed": taken <= limit}


def _target(platform: str, card: ArtifactCard) -> dict:
    entry = card.target_entry
    return {
        "precision": card.precision,
        "io_dtype": card.io_dtype,
        "files": dict(card.files),
        "runtime": {
            "name": entry.runtime.name,
            "package": entry.runtime.packages[platform],
            "minimum_version": entry.runtime.minimum_version,
        },
        "inputs_by": entry.inputs_by,
        "outputs_by": entry.outputs_by,
        "versions": dict(card.versions),
    }


def _tensor(tensor: TensorSpec) -> dict:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "layout": "contiguous",
        "quantization": None,
        "meaning": tensor.meaning,
    }


def _bank(config: ModelConfig) -> dict:
    return {
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "initial": empty_value(tensor.name),
                "fed_back_from": NEXT + tensor.name,
            }
            for tensor in bank_spec(config)
        ],
        "per": "object",
    }
