"""Tensors that live from one run to the next (MIL iOS18 states)."""

from torch import Tensor

from tinysam2.mobile_runtime.mil.operations.registry import StateBuffer, register


@register("read_state", rounds=False)
def read_state(input: StateBuffer) -> Tensor:
    return input.tensor


@register("coreml_update_state", rounds=False)
def coreml_update_state(state: StateBuffer, value: Tensor) -> Tensor:
    # No kernel writes in place, so keeping the tensor itself is as good as a copy.
    state.tensor = value
    return value
