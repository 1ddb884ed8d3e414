"""Checkpoints: safetensors files with readable keys, checked whole before a model is built from them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tinysam2.core.config import ModelConfig
from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.quantization.conversion import freeze, quantization_aware
from tinysam2.models.quantization.recipe import Recipe, recipe_of_json
from tinysam2.models.weights.terms import NOT_STATED, Terms, terms_of

SEED = 2605
"""Seed of the weights that a preset has until trained ones are shipped."""

SEEDED_TERMS = Terms("Apache-2.0")
"""Random weights are part of the code."""

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
"""Types that stand for each other in a file."""

WEIGHTS = Path(__file__).parent

RECIPE = "recipe"
"""Metadata of an int8 checkpoint: its recipe as JSON."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode and where its weights come from.

    source: the file's name, or what stands in its place. trained: whether the weights were ever trained.
    digest: sha256 of the weights themselves, the same however they were stored. recipe: of a quantized model, whose
    layers are frozen; None: the float model. terms: the weights' licence and data.
    """

    model: TinySAM2
    source: str
    trained: bool
    digest: str
    recipe: Recipe | None = None
    terms: Terms = NOT_STATED


def load_model(
    config: ModelConfig, checkpoint: str | Path | None = None, quantized: bool | None = False
) -> LoadedModel:
    """The model with a checkpoint's weights; without one, the preset's shipped or else its seeded weights.

    quantized: whether an int8 checkpoint is wanted or a float one; None: whatever the checkpoint is, float without
    one. Raises `InputError` where the file is missing, is no safetensors file, is of the other kind, or does not fit
    the config; or where an int8 model is wanted and none is shipped.
    """
    if checkpoint is None:
        shipped = shipped_weights(config.name, bool(quantized))
        if shipped is None and quantized:
            raise InputError(
                f"no int8 weights are shipped with preset {config.name}; "
                "make them with `tinysam2 quantize` and name them with --checkpoint"
            )
        if shipped is None:
            model = seeded_model(config)
            source = f"seeded weights ({config.name}, seed {SEED})"
            return LoadedModel(model, source, False, weights_digest(model.state_dict()), terms=SEEDED_TERMS)
        checkpoint, source = shipped, source_of_shipped(shipped)
    else:
        source = Path(checkpoint).name
    state, metadata = _read(Path(checkpoint))
    recipe, terms = _recipe(Path(checkpoint), metadata), _terms(Path(checkpoint), metadata)
    if quantized is not None and quantized != (recipe is not None):
        held, wanted = ("int8", "name the float weights")
        if quantized:
            held, wanted = "float", f"quantize them first: tinysam2 quantize --checkpoint {checkpoint} --data DIR ..."
        raise InputError(f"checkpoint {checkpoint} holds {held} weights; {wanted}")
    model = seeded_model(config)
    if recipe:
        model = freeze(quantization_aware(model, recipe))
    _check_fits(Path(checkpoint), state, model)
    model.load_state_dict(state)
    return LoadedModel(model, source, True, weights_digest(model.state_dict()), recipe, terms)


def shipped_weights(preset: str, quantized: bool = False) -> Path | None:
    """The weights that come with a preset, float or int8; None: there are none."""
    path = WEIGHTS / f"{preset}{'-int8' if quantized else ''}.safetensors"
    return path if path.exists() else None


def source_of_shipped(path: Path) -> str:
    """What stands for shipped weights where the source of a model is told."""
    return f"shipped weights ({path.stem})"


def seeded_model(config: ModelConfig, seed: int = SEED) -> TinySAM2:
    """A model in evaluation mode with random weights that are the same on every machine; the caller's own random
    state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TinySAM2(config).eval()


def save_checkpoint(state: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str]) -> None:
    """Writes weights as safetensors; a former file stays whole until the new one is."""
    with atomic_path(path) as temporary:
        save_file({k: v.detach().cpu().contiguous() for k, v in state.items()}, temporary, dict(metadata))


def save_model(loaded: LoadedModel, path: Path) -> None:
    """Writes a model's weights, with its recipe, so that `load_model` gives the same model."""
    about = {"preset": loaded.model.config.name, **loaded.terms.metadata()}
    if loaded.recipe:
        about[RECIPE] = loaded.recipe.to_json()
    save_checkpoint(loaded.model.state_dict(), path, about)


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _recipe(path: Path, metadata: Mapping[str, str]) -> Recipe | None:
    if RECIPE not in metadata:
        return None
    try:
        return recipe_of_json(metadata[RECIPE])
    except ValueError as error:
        raise InputError(f"checkpoint {path} has a recipe that cannot be read: {error}") from error


def _terms(path: Path, metadata: Mapping[str, str]) -> Terms:
    try:
        return terms_of(metadata)
    except ValueError as error:
        raise InputError(f"checkpoint {path} has terms that cannot be read ({error}); write it again") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file."""
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist; it must be a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return state, dict(file.metadata() or {})
    except Exception as error:  # torch raises other kinds for what a damaged header says
        raise InputError(f"checkpoint {path} is not a readable safetensors file ({error})") from error


def _check_fits(path: Path, state: dict[str, Tensor], model: TinySAM2) -> None:
    preset, wanted = model.config.name, model.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    if missing:
        raise InputError(f"checkpoint {path} lacks {_some(missing)} of preset {preset}")
    extra = sorted(state.keys() - wanted.keys())
    if extra:
        raise InputError(f"checkpoint {path} has {_some(extra)}, unknown to preset {preset}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise InputError(
                f"checkpoint {path} has {name} of shape {list(tensor.shape)}; "
                f"preset {preset} wants {list(wanted[name].shape)}"
            )
        if tensor.dtype != wanted[name].dtype and torch.int8 in (tensor.dtype, wanted[name].dtype):
            raise InputError(f"checkpoint {path} has {name} as {tensor.dtype}; its recipe says {wanted[name].dtype}")
        if tensor.dtype != wanted[name].dtype and not {tensor.dtype, wanted[name].dtype} <= FLOATS:
            raise InputError(
                f"checkpoint {path} has {name} as {tensor.dtype}; preset {preset} wants {wanted[name].dtype}"
            )
        # A value that float64 holds may not be finite in the model.
        if tensor.is_floating_point() and not torch.isfinite(tensor.to(wanted[name].dtype)).all():
            raise InputError(f"checkpoint {path} has values in {name} that are not finite; weights must be numbers")


def _some(names: list[str]) -> str:
    """The first name, and how many more."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
