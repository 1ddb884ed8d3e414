"""A model on a runtime: the float model, a folder's artifacts, or artifacts converted for the occasion."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinysam2.core.artifacts import read_card
from tinysam2.core.config import PRESETS, ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.core.targets import INT8, TORCH, Target, checked_precision, target
from tinysam2.inputs.conversion import user_cache
from tinysam2.inputs.options import (
    DEFAULT_PRESET,
    Named,
    artifacts_option,
    backend,
    backends,
    checkpoint_option,
    grouped,
    precision_option,
    preset_option,
)
from tinysam2.scoring.evaluation_settings import EvaluationSettings

if TYPE_CHECKING:
    from tinysam2.data.sequence import AnnotatedSequence
    from tinysam2.mobile_runtime.backend import Backend
    from tinysam2.views.console import Steps


TORCH_BACKEND = "tinysam2.mobile_runtime.torch_backend"


@dataclass(frozen=True)
class RunnableModel:
    """A backend, loaded, and what it runs. weights: where they come from; weights_digest: their sha256; trained:
    whether they ever were."""

    backend: "Backend"
    precision: str
    weights: str
    weights_digest: str
    trained: bool

    def evaluation_settings(
        self, data: Path, split: str | None, sequences: "Sequence[AnnotatedSequence]", prompt: str
    ) -> EvaluationSettings:
        """What an evaluation of this model on a data set is made with. prompt: the kind that every object gets."""
        return EvaluationSettings(
            data=str(data.resolve()),
            split=split,
            sequences=len(sequences),
            frames=sum(map(len, sequences)),
            prompt=prompt,
            preset=self.backend.config.name,
            backend=self.backend.target,
            runtime=self.backend.runtime,
            precision=self.precision,
            weights=self.weights,
            weights_digest=self.weights_digest,
            trained=self.trained,
        )


@dataclass(frozen=True)
class ModelChoice:
    """The model that the command line asks for, by `model_options`, checked when it is made.

    backend: torch or a target's name; None elsewhere: not said.
    Raises InputError, before anything heavy is imported, where these contradict each other or the artifacts.
    """

    backend: str
    artifacts: Path | None = None
    preset: ModelConfig | None = None
    checkpoint: Path | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.backend == TORCH:
            if self.artifacts:
                raise InputError("torch runs the float model; leave --artifacts out, or name another backend")
            if self.precision not in (None, "fp32"):
                raise InputError(f"torch runs in fp32, not in '{self.precision}'; leave --precision out")
            return
        runtime = target(self.backend)
        checked_precision(runtime, self.precision)
        runtime.require_installed()
        if self.artifacts is None:
            return
        if self.checkpoint:
            raise InputError("artifacts hold their weights already; give --artifacts or --checkpoint, not both")
        card = read_card(self.artifacts, runtime)
        if self.preset and self.preset.name != card.preset:
            raise InputError(
                f"the artifacts in {self.artifacts} belong to preset {card.preset}, not {self.preset.name}"
            )
        if self.precision and self.precision != card.precision:
            raise InputError(f"the artifacts in {self.artifacts} are {card.precision}, not {self.precision}")

    def opened(self, steps: "Steps") -> AbstractContextManager[RunnableModel]:
        """The model, to be used within the block. steps: show what is done.

        Raises InputError where the checkpoint or the artifacts cannot be read or do not fit.
        """
        steps.begin("loading the model")
        if self.backend == TORCH:
            return nullcontext(float_model(self.config, self.checkpoint))
        return self._loaded(steps)

    @property
    def backend_module(self) -> str | None:
        """The full name of the module that the backend is in; None where the target has none."""
        return TORCH_BACKEND if self.backend == TORCH else target(self.backend).backend

    @property
    def config(self) -> ModelConfig:
        """The preset that is asked for; of artifacts, their card tells."""
        return self.preset or PRESETS[DEFAULT_PRESET]

    @contextmanager
    def artifact_folder(self, steps: "Steps") -> Iterator[Path]:
        """The folder of a target's artifacts, to be used within the block: the one that is given, else one that they
        are converted into. steps and errors as `opened`."""
        if self.artifacts:
            yield self.artifacts
            return
        runtime = target(self.backend)
        precision = checked_precision(runtime, self.precision)
        with converted_artifacts(runtime, self.config, self.checkpoint, precision, steps) as folder:
            yield folder

    @contextmanager
    def _loaded(self, steps: "Steps") -> Iterator[RunnableModel]:
        runtime = target(self.backend)
        # A runtime may read its file as it goes, so the folder stays until the model is done with.
        with self.artifact_folder(steps) as folder:
            if not self.artifacts:
                steps.begin(f"loading into {runtime.title}")
            yield model_of_artifacts(runtime, folder)


def model_options(default_backend: str | None = None) -> Callable[[Callable], Callable]:
    """`--backend`, `--artifacts`, `--preset`, `--checkpoint` and `--precision`, as `choice`, a `ModelChoice`.

    default_backend: None where the runtime must be named.
    """
    backend_option = click.option(
        "--backend",
        type=Named(backend, backends),
        required=default_backend is None,
        default=default_backend,
        show_default=default_backend is not None,
        help="Runtime.",
    )
    options = {
        "backend": backend_option,
        "artifacts": artifacts_option,
        "preset": preset_option(default=None),
        "checkpoint": checkpoint_option,
        "precision": precision_option,
    }
    return grouped("choice", ModelChoice, options)


def float_model(config: ModelConfig, checkpoint: Path | None) -> RunnableModel:
    """The model in torch, in fp32. Raises InputError where the checkpoint does not fit."""
    from tinysam2.mobile_runtime.torch_backend import TorchBackend
    from tinysam2.models.weights.checkpoint import load_model

    loaded = load_model(config, checkpoint)
    return RunnableModel(TorchBackend(loaded.model), "fp32", loaded.source, loaded.digest, loaded.trained)


def model_of_artifacts(target: Target, folder: Path) -> RunnableModel:
    """A target's artifacts in a folder. Raises InputError where they are missing, corrupt or do not fit."""
    from tinysam2.mobile_runtime.loading import load_artifacts

    card = read_card(folder, target)
    return RunnableModel(
        load_artifacts(target, folder), card.precision, card.weights, card.weights_digest, card.trained
    )


@contextmanager
def converted_artifacts(
    target: Target, config: ModelConfig, checkpoint: Path | None, precision: str, steps: "Steps"
) -> Iterator[Path]:
    """The model, converted into a folder that is gone after the block. Raises InputError as `load_model`."""
    from tinysam2.converters.convert import convert_model
    from tinysam2.models.weights.checkpoint import load_model

    loaded = load_model(config, checkpoint, quantized=precision == INT8)
    with tempfile.TemporaryDirectory(prefix="tinysam2-") as name:
        convert_model(loaded, {target.name: precision}, Path(name), steps.shares("converting"), cache=user_cache())
        yield Path(name)
