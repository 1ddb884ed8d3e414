"""The integers of one target's artifacts, held to the checkpoint that they were made from."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.artifacts import ArtifactCard
from models.checkpoint import LoadedModel
from models.console import silenced
from validation.integers.checks import IntegerReport, check_integers
from validation.integers.layers import layers_of
from validation.integers.products import Product


def check_artifact(loaded: LoadedModel, folder: Path, card: ArtifactCard) -> IntegerReport:
    """Reads the files that a card names and checks them against a quantized model's layers.

    Raises InputError where a file cannot be read.
    """
    programs: dict[str, list[str]] = {}
    for program, file in card.files.items():
        programs.setdefault(file, []).append(program)
    with silenced():
        products = [
            product for file, names in programs.items() for product in READERS[card.target](folder / file, tuple(names))
        ]
    return check_integers(layers_of(loaded.model, loaded.recipe), products)


def _of_coreml(path: Path, programs: Sequence[str]) -> list[Product]:
    from validation.integers.read_coreml import read_products

    return [product for program in programs for product in read_products(path, program)]


def _of_executorch(path: Path, programs: Sequence[str]) -> list[Product]:
    from validation.integers.read_executorch import read_products

    return read_products(path, tuple(programs))


def _of_tflite(path: Path, programs: Sequence[str]) -> list[Product]:
    from validation.integers.read_tflite import read_products

    return read_products(path, tuple(programs))


READERS: Mapping[str, Callable[[Path, Sequence[str]], list[Product]]] = {
    "coreml": _of_coreml,
    "executorch": _of_executorch,
    "tflite": _of_tflite,
}
"""Target -> what reads the products of the programs named from one of its files."""
