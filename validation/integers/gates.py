"""Verdicts on an int8 artifact's integers, as gates beside those of parity and memory."""

from collections.abc import Iterator
from pathlib import Path

from tinysam2.core.artifacts import ArtifactCard
from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.models.weights.checkpoint import LoadedModel
from tinysam2.validation.gate import Gate
from tinysam2.validation.integers.artifact import check_artifact
from tinysam2.validation.integers.checks import IntegerReport
from tinysam2.validation.integers.products import Share

INT8_SHARE = 0.95
"""Of the image encoder's multiply-accumulates, which are most of a frame's."""

TOLD = 3
"""Faults that a failed gate names; the others are counted."""


def integer_gates(loaded: LoadedModel, folder: Path, card: ArtifactCard) -> Iterator[Gate]:
    """Verdicts on the integers in the files of a card, read back and held to the checkpoint they were made from; none
    where it is a float one, or the target has no integer reader. Raises InputError where a file cannot be read."""
    if loaded.recipe is not None and card.target_entry.integer_reader is not None:
        yield from gates_of(check_artifact(loaded, folder, card))


def gates_of(report: IntegerReport) -> Iterator[Gate]:
    """One gate for each check, and one on the image encoder's share of int8."""
    for verdict in report.verdicts:
        faults = [f"{where}: {what}" for where, what in verdict.faults.items()]
        more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
        found = "; ".join(faults[:TOLD]) + more
        yield Gate("integers", f"faults of {verdict.name}", len(faults), 0, False, verdict.says, found)
    share = report.shares.get(IMAGE_ENCODER, Share(0, 0))
    yield Gate(
        IMAGE_ENCODER,
        "int8 share of MACs",
        share.value if share.total else 0.0,
        INT8_SHARE,
        True,
        "what stays in float gains no speed",
        "" if share.total else "no convolution, linear layer or matrix product of it is in the file",
    )
