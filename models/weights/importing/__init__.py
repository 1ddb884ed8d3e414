"""Weights of related models for TinySAM 2: SAM 2.1, EdgeTAM and RepViT checkpoints, renamed and reshaped."""

from tinysam2.models.weights.importing.importer import ImportedWeights, import_weights
from tinysam2.models.weights.importing.report import ImportReport

__all__ = ["ImportReport", "ImportedWeights", "import_weights"]
