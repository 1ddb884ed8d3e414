"""What a model's memory adds up to, and which tensors are alive at its peak."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinysam2.core.config import preset
from tinysam2.core.contract import bank_spec, program_contract
from tinysam2.mobile_runtime.memory.accounting import (
    FIRST_OPERATION,
    PEAK_TENSORS,
    Amount,
    Peak,
    TensorBytes,
    account,
    peak,
)
from tinysam2.mobile_runtime.memory.liveness import BEFORE, Lifetime, fullest_moment

NANO = preset("nano")

lifetimes = st.lists(
    st.builds(
        lambda size, first, length: Lifetime("t", size, first, first + length),
        st.integers(0, 1000),
        st.integers(BEFORE, 20),
        st.integers(0, 20),
    )
)


@given(lifetimes)
def test_the_fullest_moment_is_the_largest_of_all_steps(tensors):
    by_step = {
        step: sum(tensor.bytes for tensor in tensors if tensor.first <= step <= tensor.last)
        for step in range(BEFORE, 42)
    }
    moment = fullest_moment(tensors)
    assert moment.bytes == max(by_step.values())
    assert by_step[moment.step] == moment.bytes
    assert all(taken < moment.bytes for step, taken in by_step.items() if step < moment.step)


def test_a_peak_names_its_operation_and_the_tensors_alive_largest_first():
    found = peak(
        [Lifetime("image", 10, BEFORE, 0), Lifetime("wide", 40, 0, 1), Lifetime("narrow", 5, 1, 2)], ["conv", "sum"]
    )
    assert found == Peak(50, "estimated", "conv", (TensorBytes("wide", 40), TensorBytes("image", 10)))
    assert found.sentence == "at its peak, in conv, these are alive: wide (0.0 KiB), image (0.0 KiB)"


def test_what_an_artifact_plans_stands_in_place_of_the_estimate():
    found = peak([Lifetime("image", 10, BEFORE, 0)], ["conv"], planned=64)
    assert (found.bytes, found.known) == (64, "planned")


def test_a_program_whose_inputs_are_its_peak_says_so():
    assert peak([Lifetime("image", 10, BEFORE, BEFORE)], ["conv"]).operation == FIRST_OPERATION


def test_a_peak_after_the_last_operation_is_told_with_it():
    ended = [Lifetime("a", 10, 0, 2), Lifetime("b", 10, 2, 2)]
    assert peak(ended, ["conv", "sum"]).operation == "sum"


def test_only_the_largest_tensors_are_named():
    many = [Lifetime(str(i), i, 0, 0) for i in range(20)]
    assert [tensor.name for tensor in peak(many, ["conv"]).tensors] == [str(19 - i) for i in range(PEAK_TENSORS)]


def programs(**activations: int):
    return {
        name: (100, Peak(activations.get(name, 10), "estimated", "conv", (TensorBytes("wide", 10),)))
        for name in program_contract(NANO)
    }


@pytest.mark.parametrize(("arenas_stay", "activations"), [(True, 70), (False, 40)])
def test_activations_in_all_are_the_sum_of_arenas_that_stay_and_else_the_largest(arenas_stay, activations):
    memory = account(NANO, 4, 350, programs(image_encoder=40), arenas_stay)
    assert memory.activations == Amount(activations, "estimated")


@pytest.mark.parametrize("item_bytes", [2, 4])
def test_the_total_is_weights_activations_features_and_one_bank(item_bytes):
    memory = account(NANO, item_bytes, 350, programs(), True)
    bank = sum(_values(tensor) for tensor in bank_spec(NANO))
    features = sum(_values(tensor) for tensor in program_contract(NANO)["image_encoder"].outputs)
    assert (memory.bank, memory.features) == (
        Amount(bank * item_bytes, "planned"),
        Amount(features * item_bytes, "planned"),
    )
    assert memory.total == Amount(350 + 40 + (bank + features) * item_bytes, "estimated")


@pytest.mark.parametrize("item_bytes", [2, 4])
def test_a_programs_border_is_that_of_the_contract(item_bytes):
    encoder = account(NANO, item_bytes, 350, programs(), True).programs["image_encoder"]
    assert encoder.weights == Amount(100, "stored")
    assert encoder.inputs == Amount(3 * 256 * 256 * item_bytes, "planned")
    assert encoder.outputs == Amount((128 * 16 * 16 + 32 * 32 * 32 + 16 * 64 * 64) * item_bytes, "planned")


def _values(tensor) -> int:
    values = 1
    for side in tensor.shape:
        values *= side
    return values
