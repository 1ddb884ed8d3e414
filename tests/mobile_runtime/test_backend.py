"""A backend takes what the contract says, in the contract's order, and nothing else."""

import numpy as np
import pytest
import torch

from tinysam2.core.config import preset
from tinysam2.core.contract import program_contract
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.backend import Backend, check_shapes
from tinysam2.models.network.programs import build_programs

NANO = preset("nano")
PROGRAMS = ("image_encoder", "memory_attention", "mask_decoder", "memory_encoder")


class EchoBackend(Backend):
    """Answers with what it was given."""

    target, runtime = "echo", "a test"

    def execute(self, program, inputs):
        return dict(inputs)


def zeros(program: str, dtype: str = "float32") -> dict[str, np.ndarray]:
    return {spec.name: np.zeros(spec.shape, dtype) for spec in program_contract(NANO)[program].inputs}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_given_exactly_its_inputs_in_the_contracts_order(program):
    given = {"surplus": np.zeros(1), **dict(reversed(zeros(program).items()))}
    assert tuple(EchoBackend(NANO).run(program, given)) == program_contract(NANO)[program].input_names


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_inputs_are_given_in_the_artifacts_own_dtype_and_contiguous(dtype):
    given = zeros("memory_attention", "float64")
    given["features"] = np.moveaxis(np.zeros((1, 16, 16, 128)), -1, 1)
    received = EchoBackend(NANO, dtype).run("memory_attention", given)
    assert {value.dtype.name for value in received.values()} == {dtype}
    assert all(value.flags.c_contiguous for value in received.values())


def test_a_tensor_of_another_shape_is_named_with_both_shapes():
    given = {**zeros("mask_decoder"), "iou": 0, "point_labels": np.zeros((1, 3))}
    with pytest.raises(ValueError, match=r"mask_decoder\.point_labels is \(1, 3\); it must be \(1, 4\)"):
        EchoBackend(NANO).run("mask_decoder", given)


def test_a_tensor_that_was_not_given_is_named():
    given = zeros("mask_decoder")
    del given["has_mask"]
    with pytest.raises(KeyError, match="has_mask"):
        EchoBackend(NANO).run("mask_decoder", given)


def test_a_backend_is_free_again_after_a_program_that_failed():
    class Failing(EchoBackend):
        def execute(self, program, inputs):
            raise ArithmeticError

    backend = Failing(NANO)
    for _ in range(2):
        with pytest.raises(ArithmeticError):
            backend.run("mask_decoder", zeros("mask_decoder"))


def test_a_backend_without_an_artifact_has_no_memory_to_tell():
    assert EchoBackend(NANO).memory() is None


@pytest.fixture
def spec():
    return program_contract(NANO)["mask_decoder"]


def shapes(tensors) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in tensors]


def test_an_artifact_of_the_contracts_shapes_is_accepted(spec):
    check_shapes("a.tflite", spec, "nano", [list(s) for s in shapes(spec.inputs)], shapes(spec.outputs))


def test_an_artifact_with_another_number_of_tensors_is_refused(spec):
    with pytest.raises(InputError, match=r"a\.tflite: mask_decoder has 3 outputs; preset nano has 4; convert again"):
        check_shapes("a.tflite", spec, "nano", shapes(spec.inputs), shapes(spec.outputs)[:3])


def test_another_presets_artifact_is_refused_with_the_tensor_that_gave_it_away(spec):
    message = (
        r"a\.tflite belongs to another preset: mask_decoder's conditioned is \[1, 256, 16, 16\], "
        r"and nano has \[1, 128, 16, 16\]"
    )
    with pytest.raises(InputError, match=message):
        check_shapes("a.tflite", spec, "nano", [(1, 256, 16, 16), *shapes(spec.inputs)[1:]], shapes(spec.outputs))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_torch_backend_answers_as_the_program_itself(nano_model, nano_backend, program):
    noise = np.random.default_rng(0)
    inputs = {
        name: value if "age" in name else noise.random(value.shape, np.float32)
        for name, value in zeros(program).items()
    }
    answers = nano_backend.run(program, inputs)
    with torch.inference_mode():
        expected = build_programs(nano_model)[program].named_outputs(
            **{name: torch.from_numpy(value) for name, value in inputs.items()}
        )
    assert answers.keys() == expected.keys()
    for name, value in answers.items():
        np.testing.assert_allclose(value, expected[name].numpy(), atol=1e-5)
