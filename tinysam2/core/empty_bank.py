"""The memory bank of an object that has not been seen, as the contract describes it."""

import numpy as np

from tinysam2.core.config import ModelConfig
from tinysam2.core.contract import bank_spec, empty_value


def empty_bank(config: ModelConfig, dtype: np.typing.DTypeLike = np.float32, batch: int = 1) -> dict[str, np.ndarray]:
    """The bank's tensors by name, for `batch` objects."""
    return {spec.name: np.full((batch, *spec.shape[1:]), empty_value(spec.name), dtype) for spec in bank_spec(config)}
