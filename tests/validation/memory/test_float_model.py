"""The float model's memory is counted as the artifacts' is."""

import pytest

from tinysam2.core.config import preset
from tinysam2.validation.cost.count import model_cost
from tinysam2.validation.memory.float_model import float_memory


@pytest.fixture(scope="module")
def memory():
    return float_memory(preset("nano"))


def test_peaks_are_those_that_are_counted_without_inputs_and_at_most_the_inputs_more(memory):
    counted = model_cost(preset("nano")).programs
    assert set(memory.programs) == set(counted)
    for name, program in memory.programs.items():
        extra = program.activations.bytes - counted[name].peak_activation_bytes
        assert 0 <= extra <= program.inputs.bytes


def test_weights_are_those_that_are_counted_and_shared_ones_count_once(memory):
    counted = model_cost(preset("nano")).programs
    by_program = {name: program.weights.bytes for name, program in memory.programs.items()}
    assert by_program == {name: program.weight_bytes["fp32"] for name, program in counted.items()}
    assert memory.weights.bytes <= sum(by_program.values())


def test_the_tensors_at_a_peak_are_named_by_operator_module_and_shape(memory):
    encoder = memory.programs["image_encoder"].activations
    assert encoder.operation.startswith("gelu in ")
    assert "trunk.stages.1" in encoder.operation
    assert encoder.tensors[0].name.startswith("convolution in ")
    assert encoder.tensors[0].name.endswith("[1, 48, 64, 64]")
    assert "features_s4" in [tensor.name for tensor in memory.programs["mask_decoder"].activations.tensors]


def test_everything_says_how_it_is_known(memory):
    assert (memory.weights.known, memory.activations.known, memory.bank.known) == ("stored", "estimated", "planned")
    assert memory.total.known == "estimated"
