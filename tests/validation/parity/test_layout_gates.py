"""Channels-last outputs fail two gates: the layout that the artifact states, and a clip on raw memory."""

import numpy as np
import pytest

from tinysam2.core.contract import IMAGE_ENCODER
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.layout import ProgramLayout, TensorLayout
from tinysam2.validation.parity.gates import parity_gates
from tinysam2.validation.parity.layout_gates import layout_gates


class ChannelsLast(Backend):
    """The float model, whose image encoder's outputs lie channels-last in memory."""

    target, runtime = "moved", "a test"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.config)
        self.backend = backend

    def execute(self, program, inputs):
        outputs = self.backend.execute(program, inputs)
        if program != IMAGE_ENCODER:
            return outputs
        return {n: np.ascontiguousarray(v.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for n, v in outputs.items()}


def layouts(*dim_order: int) -> dict[str, ProgramLayout]:
    image = TensorLayout("image", (1, 3, 8, 8), (0, 1, 2, 3))
    return {IMAGE_ENCODER: ProgramLayout((image,), (TensorLayout("features", (1, 16, 4, 4), dim_order),))}


def failed(gates) -> list[tuple[str, str]]:
    return [(gate.subject, gate.measure) for gate in gates if not gate.passed]


def test_contiguous_tensors_pass_with_one_gate_a_program():
    [gate] = layout_gates(layouts(0, 1, 2, 3))
    assert gate.passed
    assert (gate.subject, gate.value, gate.found) == (IMAGE_ENCODER, 0, "")


def test_a_channels_last_output_fails_and_is_named_with_its_order_and_strides():
    [gate] = layout_gates(layouts(0, 2, 3, 1))
    assert not gate.passed
    assert gate.found == "features [1, 16, 4, 4] has dimension order [0, 2, 3, 1], strides [256, 1, 64, 16]"


def test_what_does_not_tell_its_layout_has_no_gate():
    assert list(layout_gates(None)) == []


def test_contiguous_outputs_track_the_same_on_raw_memory(check, nano_backend):
    chain = check(nano_backend).chain()
    assert chain.raw_iou == 1
    assert ("clip", "least mask IoU on raw memory") not in failed(parity_gates("fp32", (), chain))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_channels_last_outputs_fail_on_raw_memory_and_nowhere_else(check, nano_backend, precision):
    result = check(ChannelsLast(nano_backend))
    gates = parity_gates(precision, result.programs(), result.chain())
    assert failed(gates) == [("clip", "least mask IoU on raw memory")]
