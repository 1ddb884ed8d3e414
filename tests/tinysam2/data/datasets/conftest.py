"""Pictures and masks to lay data sets out of."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinysam2.data.masks import write_mask

SIZE = (6, 10)
"""Height and width of every frame."""


@pytest.fixture(scope="session")
def ids() -> Callable[..., np.ndarray]:
    """Ids [6, 10] with one column for each object, the object's id being its column too."""

    def draw(*objects: int) -> np.ndarray:
        drawn = np.zeros(SIZE, np.uint8)
        for i in objects:
            drawn[1:5, i % SIZE[1]] = i
        return drawn

    return draw


@pytest.fixture(scope="session")
def put_frames() -> Callable[[Path, Iterable[str]], None]:
    """Writes grey pictures, each 10 brighter than the one before."""

    def put(folder: Path, names: Iterable[str], suffix: str = ".jpg", size: tuple[int, int] = SIZE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index, name in enumerate(names):
            Image.fromarray(np.full((*size, 3), 10 * index, np.uint8)).save(folder / f"{name}{suffix}")

    return put


@pytest.fixture(scope="session")
def put_masks() -> Callable[[Path, Mapping[str, np.ndarray]], None]:
    def put(folder: Path, masks: Mapping[str, np.ndarray]) -> None:
        for name, drawn in masks.items():
            write_mask(folder / f"{name}.png", drawn)

    return put
