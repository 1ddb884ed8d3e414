"""The optimiser: Muon for maps from vectors to vectors, AdamW for all else, with one learning rate."""

from collections.abc import Iterable

import torch
from torch import nn

LEAST_OUTPUTS = 8
"""Rows from which a matrix is a map. Fewer are vectors side by side (tokens, positions, the heads' last layers)."""


class MuonAdamW:
    """Muon steps dense convolutions and linear layers, AdamW depthwise convolutions, norms, biases and embeddings.

    Their steps have the same root mean square, so one learning rate does for both; weights of two dimensions and more
    decay. Every parameter must have its gradient allocated, since Muon sees a convolution and its gradient as views
    of one row for each output.

    Source: Muon (Jordan et al., 2024); the rate that matches AdamW's from Moonlight (arXiv 2502.16982).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, decay: float) -> None:
        parameters = list(parameters)
        maps = [parameter for parameter in parameters if _is_map(parameter)]
        others = [parameter for parameter in parameters if not _is_map(parameter)]
        decaying = [parameter for parameter in others if _decays(parameter)]
        steady = [parameter for parameter in others if not _decays(parameter)]
        self._parts: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(
                [{"params": decaying, "weight_decay": decay}, {"params": steady, "weight_decay": 0.0}], rate
            )
        }
        if maps:
            matrices = [_as_matrix(parameter) for parameter in maps]
            self._parts["muon"] = torch.optim.Muon(matrices, rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")

    def zero_grad(self) -> None:
        """Sets every gradient to zero, in place."""
        for part in self._parts.values():
            part.zero_grad(set_to_none=False)

    def step(self, rate: float) -> None:
        """Moves every parameter along its gradient, at a learning rate."""
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = rate
            part.step()

    def state_dict(self) -> dict[str, dict]:
        """What `load_state_dict` takes up again."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, dict]) -> None:
        """Takes up a state of the same parameters."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def _is_map(parameter: nn.Parameter) -> bool:
    dense = parameter.dim() == 2 or (parameter.dim() == 4 and parameter.shape[1] > 1)
    return dense and parameter.shape[0] >= LEAST_OUTPUTS


def _decays(parameter: nn.Parameter) -> bool:
    return parameter.dim() > 1 and parameter.shape[0] > 1


def _as_matrix(parameter: nn.Parameter) -> nn.Parameter:
    """The same storage as one row for each output, its gradient too."""
    if parameter.dim() == 2:
        return parameter
    matrix = nn.Parameter(_rows(parameter.data))
    if parameter.grad is not None:
        matrix.grad = _rows(parameter.grad)
    return matrix


def _rows(weight: torch.Tensor) -> torch.Tensor:
    # A view in either memory layout: Muon does not mind the order of a row's values.
    by_pixel = weight.permute(0, 2, 3, 1)
    flat = by_pixel if by_pixel.is_contiguous() else weight
    return flat.view(weight.shape[0], -1)
