"""The optimiser: which parameters Muon steps, that both parts share one rate, and that it goes on where it stopped."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tinysam2.core.config import preset
from tinysam2.models.training.optimiser import MuonAdamW
from tinysam2.models.weights.checkpoint import seeded_model

RATE = 0.01


def with_gradients(*shapes: tuple[int, ...], seed: int = 0) -> list[nn.Parameter]:
    """Parameters of those shapes and a gradient for each, the same for the same seed."""
    draw = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.randn(shape, generator=draw)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    return parameters


def moved(parameter: nn.Parameter, decay: float = 0.0) -> Tensor:
    """How far one step moves a parameter, in learning rates."""
    before = parameter.detach().clone()
    MuonAdamW([parameter], RATE, decay).step(RATE)
    return (parameter.detach() - before) / RATE


def is_orthogonal(step: Tensor) -> bool:
    """Whether a step has singular values that are all alike, as Muon's have and a gradient's have not."""
    values = torch.linalg.svdvals(step.flatten(1))
    return bool(values[0] < 2.5 * values[-1])


@pytest.mark.parametrize("shape", [(16, 32), (16, 8, 3, 3), (16, 32, 1, 1)], ids=["linear", "3x3", "1x1"])
def test_a_map_from_vectors_to_vectors_steps_the_same_way_in_every_direction(shape):
    (parameter,) = with_gradients(shape)
    parameter.grad[0] *= 100
    assert is_orthogonal(moved(parameter))


@pytest.mark.parametrize(
    "shape", [(4, 32), (1, 32), (16, 1, 3, 3), (16,), ()], ids=["tokens", "token", "depthwise", "bias", "scale"]
)
def test_everything_else_steps_along_the_gradients_sign(shape):
    (parameter,) = with_gradients(shape)
    assert torch.allclose(moved(parameter), -parameter.grad.sign(), atol=1e-4)


def test_both_parts_move_about_as_far():
    linear, depthwise = with_gradients((64, 64), (64, 1, 3, 3))
    ratio = moved(linear).square().mean().sqrt() / moved(depthwise).square().mean().sqrt()
    assert 0.1 < ratio < 1


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (16, 8, 1, 1)])
def test_a_convolutions_memory_layout_changes_nothing(shape):
    (plain,), (last,) = with_gradients(shape), with_gradients(shape)
    last.data = last.data.to(memory_format=torch.channels_last)
    last.grad = last.grad.to(memory_format=torch.channels_last)
    assert torch.allclose(moved(plain), moved(last), atol=1e-2)


@pytest.mark.parametrize(
    ("shape", "decays"), [((16, 32), True), ((16, 1, 3, 3), True), ((16,), False), ((1, 32), False)]
)
def test_maps_and_filters_decay_and_vectors_do_not(shape, decays):
    (parameter,), (decayed,) = with_gradients(shape), with_gradients(shape)
    difference = moved(decayed, decay=0.5) - moved(parameter)
    expected = -0.5 * with_gradients(shape)[0] if decays else torch.zeros(shape)
    assert torch.allclose(difference, expected, atol=1e-4)


def test_a_models_gradients_become_zero_in_place():
    model = seeded_model(preset("nano")).to(memory_format=torch.channels_last)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    gradients = [parameter.grad for parameter in model.parameters()]
    MuonAdamW(model.parameters(), RATE, 0.0).zero_grad()
    assert all(parameter.grad is gradient for parameter, gradient in zip(model.parameters(), gradients, strict=True))
    assert not any(gradient.any() for gradient in gradients)


def test_every_parameter_of_a_model_moves():
    model = seeded_model(preset("nano")).to(memory_format=torch.channels_last)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = copy.deepcopy(model.state_dict())
    MuonAdamW(model.parameters(), RATE, 0.0).step(RATE)
    assert all(not torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


def test_a_state_taken_up_steps_as_the_one_that_went_on():
    shapes = [(16, 8, 3, 3), (16, 32), (16,)]
    going_on = with_gradients(*shapes)
    first = MuonAdamW(going_on, RATE, 0.1)
    first.step(RATE)
    taken_up = [nn.Parameter(parameter.detach().clone()) for parameter in going_on]
    for parameter, other in zip(taken_up, going_on, strict=True):
        parameter.grad = other.grad.clone()
    second = MuonAdamW(taken_up, RATE, 0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.step(RATE / 2)
    second.step(RATE / 2)
    for parameter, other in zip(taken_up, going_on, strict=True):
        assert torch.equal(parameter, other)
