"""A model on a runtime: the float model, a folder's artifacts, or artifacts converted for the occasion."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mobile_runtime.backend import Backend
from models.artifacts import read_card
from models.config import ModelConfig
from models.targets import Target
from tinysam2.console import Steps


@dataclass(frozen=True)
class RunnableModel:
    """A backend, loaded, and what it runs. weights: where they come from; trained: whether they ever were."""

    backend: Backend
    precision: str
    weights: str
    trained: bool


def float_model(config: ModelConfig, checkpoint: Path | None) -> RunnableModel:
    """The model in torch, in fp32. Raises InputError where the checkpoint does not fit."""
    from mobile_runtime.torch_backend import TorchBackend
    from models.checkpoint import load_model

    loaded = load_model(config, checkpoint)
    return RunnableModel(TorchBackend(loaded.model), "fp32", loaded.source, loaded.trained)


def model_of_artifacts(target: Target, folder: Path) -> RunnableModel:
    """A target's artifacts in a folder. Raises InputError where they are missing, corrupt or do not fit."""
    from mobile_runtime.loading import load_artifacts

    card = read_card(folder, target)
    return RunnableModel(load_artifacts(target, folder), card.precision, card.weights, card.trained)


@contextmanager
def converted_model(
    target: Target, config: ModelConfig, checkpoint: Path | None, precision: str, steps: Steps
) -> Iterator[RunnableModel]:
    """The model, converted into a folder that is gone after the block. Raises InputError as `load_model`."""
    from converters.convert import convert_model
    from models.checkpoint import load_model

    loaded = load_model(config, checkpoint)
    # A runtime may read its file as it goes, so the folder stays until the model is done with.
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        convert_model(loaded, {target.name: precision}, Path(name), steps.begin)
        steps.begin(f"loading into {target.title}")
        yield model_of_artifacts(target, Path(name))
