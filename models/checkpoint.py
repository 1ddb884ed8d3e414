"""Checkpoints: safetensors files with readable keys, checked whole before a model is built from them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.config import ModelConfig
from models.errors import InputError
from models.files import atomic_path
from models.tinysam2 import TinySAM2

SEED = 2605
"""Seed of the weights that a preset has until trained ones are shipped."""

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode and where its weights come from.

    source: a path, or what stands in its place. trained: whether the weights were ever trained.
    digest: sha256 of the weights themselves, the same however they were stored.
    """

    model: TinySAM2
    source: str
    trained: bool
    digest: str


def load_model(config: ModelConfig, checkpoint: str | Path | None = None) -> LoadedModel:
    """The model with a checkpoint's weights; without one, the preset's shipped or else its seeded weights.

    Raises `InputError` where the file is missing, is no safetensors file, or does not fit the config.
    """
    shipped = WEIGHTS / f"{config.name}.safetensors"
    if checkpoint is None and shipped.exists():
        checkpoint = shipped
    model = seeded_model(config)
    if checkpoint is not None:
        model.load_state_dict(_read(Path(checkpoint), model))
    source = f"seeded weights ({config.name}, seed {SEED})" if checkpoint is None else str(checkpoint)
    return LoadedModel(model, source, checkpoint is not None, weights_digest(model.state_dict()))


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


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, model: TinySAM2) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist; it must be a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"checkpoint {path} is not a readable safetensors file ({error})") from error
    _check_fits(path, state, model)
    return state


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
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"checkpoint {path} has values in {name} that are not finite; weights must be numbers")


def _some(names: list[str]) -> str:
    """The first name, and how many more."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
