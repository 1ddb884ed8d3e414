"""Reads a state dict from a `.pt`, `.pth` or `.safetensors` file, without running any code that it holds."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from tinysam2.core.errors import InputError

WRAPPERS = ("model", "state_dict")
"""Names under which a training script puts the state dict into its checkpoint."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; `InputError` where the file is missing, damaged or holds none."""
    if not path.is_file():
        raise InputError(f"weights {path} do not exist; give a .pt, .pth or .safetensors file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = content.items() if isinstance(content, Mapping) else ()
    state = {key: tensor for key, tensor in tensors if isinstance(key, str) and isinstance(tensor, Tensor)}
    if not state:
        raise InputError(f"weights {path} hold no state dict; it must map names to tensors")
    return state


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except Exception as error:  # torch raises other kinds for what a damaged header says
        raise InputError(f"weights {path} are not a readable safetensors file ({error})") from error


def _read_torch(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to say
        raise InputError(
            f"weights {path} are not a readable checkpoint of plain tensors ({type(error).__name__})"
        ) from error
