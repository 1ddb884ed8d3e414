"""Weights of related models for TinySAM 2: SAM 2.1, EdgeTAM and RepViT checkpoints, renamed and reshaped."""

from models.importing.importer import ImportedWeights, import_weights
from models.importing.report import ImportReport

__all__ = ["ImportReport", "ImportedWeights", "import_weights"]
