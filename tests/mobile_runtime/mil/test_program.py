"""Loading, running and measuring a program, on programs built in memory."""

import numpy as np
import pytest

from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime.mil import MILProgram, TensorType

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
WEIGHT = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)


def two_outputs(mb, x, y):
    total = mb.add(x=x, y=y, name="total")
    hidden = mb.tanh(x=total, name="hidden")
    return mb.relu(x=hidden, name="positive"), mb.reduce_sum(x=hidden, axes=[0, 1], name="sum")


@pytest.fixture
def program(mil_program):
    return mil_program(two_outputs, {"x": X, "y": X})


def test_a_program_declares_its_inputs_and_outputs(program):
    assert program.inputs == {"x": TensorType((3, 4), "float32"), "y": TensorType((3, 4), "float32")}
    assert program.outputs == {"positive": TensorType((3, 4), "float32"), "sum": TensorType((), "float32")}


def test_operations_are_listed_in_program_order_without_constants(program):
    assert [operation.type for operation in program.operations] == ["add", "tanh", "relu", "reduce_sum"]
    first = program.operations[0]
    assert (first.name, first.inputs, first.outputs) == ("total", {"x": "x", "y": "y"}, ("total",))


def test_run_returns_outputs_in_order_with_the_declared_types(mil_program):
    program = mil_program(lambda mb, x: (mb.cast(x=x, dtype="fp16"), mb.greater(x=x, y=0.0), mb.shape(x=x)), {"x": X})
    outputs = program.run(x=X)
    assert list(outputs) == list(program.outputs)
    assert [output.dtype for output in outputs.values()] == [np.float16, np.bool_, np.int32]


def test_intermediates_are_every_computed_value_in_program_order(program):
    values = program.run_with_intermediates(x=X, y=X)
    assert list(values) == ["total", "hidden", "positive", "sum"]
    np.testing.assert_array_equal(values["total"], 2 * X)


def test_outputs_own_their_memory(mil_program):
    program = mil_program(lambda mb, x: mb.identity(x=x), {"x": X})
    given = X.copy()
    (output,) = program.run(x=given).values()
    given[:] = 9
    np.testing.assert_array_equal(output, X)


def test_inputs_of_another_width_or_layout_are_accepted(program):
    expected = program.run(x=X, y=X)["sum"]
    backwards = X[::-1].copy()[::-1]
    assert program.run(x=backwards, y=X.astype(np.float64))["sum"] == expected


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": X}, "lacks its input 'y'; it takes: x, y"),
        ({"x": X, "y": X, "z": X}, "has no input 'z'; it takes: x, y"),
        ({"x": X, "y": X.T}, r"'y' has the shape \[4, 3\]; it must be float32\[3, 4\]"),
        ({"x": X, "y": X[0]}, r"'y' has the shape \[4\]; it must be float32\[3, 4\]"),
        ({"x": X, "y": X.astype(np.complex64)}, r"'y' has elements of type complex64"),
        ({"x": X, "y": [[1.0], [1.0, 2.0]]}, r"'y' is no array .*; it must be float32\[3, 4\]"),
        ({"x": X, "y": np.full((3, 4), "a")}, r"'y' has elements of type <U1"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(program, inputs, message):
    with pytest.raises(InputError, match=message):
        program.run(**inputs)


def test_float_elements_do_not_become_integers_silently(mil_program):
    program = mil_program(lambda mb, i: mb.add(x=i, y=1), {"i": np.zeros(3, np.int32)})
    with pytest.raises(InputError, match=r"'i' has elements of type float32; it must be int32\[3\]"):
        program.run(i=np.zeros(3, np.float32))


def test_an_unknown_storage_is_refused(mil_program):
    with pytest.raises(InputError, match="storage is 'half'; it must be one of: declared, float32"):
        mil_program(two_outputs, {"x": X, "y": X}, storage="half")


def halved_and_doubled(mb, x):
    half = mb.cast(x=x, dtype="fp16")
    third = mb.mul(x=half, y=np.float16(1 / 3), name="third")
    return mb.cast(x=mb.sub(x=third, y=mb.mul(x=third, y=np.float16(0.999))), dtype="fp32")


def test_declared_storage_rounds_what_the_program_types_as_fp16(mil_program):
    (output,) = mil_program(halved_and_doubled, {"x": X}).run(x=X).values()
    third = (X.astype(np.float16) * np.float16(1 / 3)).astype(np.float16)
    expected = (third - third * np.float16(0.999)).astype(np.float32)
    np.testing.assert_array_equal(output, expected)


def test_float32_storage_rounds_nothing(mil_program):
    (output,) = mil_program(halved_and_doubled, {"x": X}, storage="float32").run(x=X).values()
    third = X * np.float32(np.float16(1 / 3))
    np.testing.assert_allclose(output, third - third * np.float32(np.float16(0.999)), rtol=1e-6)


def test_fp16_overflows_to_infinity_only_where_it_is_declared(mil_program):
    def square(mb, x):
        return mb.cast(x=mb.square(x=mb.cast(x=x, dtype="fp16")), dtype="fp32")

    big = np.float32([300.0])
    (declared,) = mil_program(square, {"x": big}).run(x=big).values()
    (exact,) = mil_program(square, {"x": big}, storage="float32").run(x=big).values()
    assert np.isinf(declared[0])
    assert exact[0] == 90000


def test_operations_on_constants_are_computed_once_at_load(mil_program):
    def build(mb, x):
        table = mb.gelu(x=mb.const(val=WEIGHT), name="table")
        return mb.matmul(x=x, y=table, name="product")

    program = mil_program(build, {"x": X})
    assert list(program.run_with_intermediates(x=X)) == ["product"]
    assert program.peak_activation().bytes == 2 * X.nbytes


def test_values_that_share_a_name_are_told_apart(mil_program):
    def build(mb, x):
        one, ten = mb.const(val=np.float32(1), name="number"), mb.const(val=np.float32(10), name="number")
        return mb.mul(x=mb.add(x=x, y=one), y=ten)

    (output,) = mil_program(build, {"x": X}).run(x=X).values()
    np.testing.assert_allclose(output, (X + 1) * 10)


def test_an_output_that_is_constant_is_returned(mil_program):
    program = mil_program(lambda mb, x: (mb.relu(x=x), mb.gelu(x=mb.const(val=X), name="fixed")), {"x": X})
    assert program.run(x=X)["fixed"].shape == (3, 4)


def test_weights_count_the_bytes_they_are_stored_in(mil_program):
    int8 = np.ones((4, 4), np.int8)

    def build(mb, x):
        weight = mb.constexpr_blockwise_shift_scale(data=int8, scale=np.ones((4, 1), np.float16))
        return mb.add(x=mb.cast(x=x, dtype="fp16"), y=weight)

    assert mil_program(build, {"x": WEIGHT}).weight_bytes == 16 + 4 * 2


def test_peak_activation_is_the_largest_sum_of_living_tensors(mil_program):
    def build(mb, x):
        wide = mb.tile(x=x, reps=[4, 1], name="wide")  # 48 B in, 192 B out
        summed = mb.reduce_sum(x=wide, axes=[0], keep_dims=True, name="summed")  # 192 in, 16 out, x is dead
        return mb.relu(x=summed, name="out")

    peak = mil_program(build, {"x": X}).peak_activation()
    assert (peak.bytes, peak.operation) == (240, "wide")
    assert peak.tensors == (("wide", 192), ("x", 48))


def test_views_share_the_buffer_of_their_input(mil_program):
    def build(mb, x):
        line = mb.reshape(x=mb.relu(x=x, name="kept"), shape=[12])
        return mb.tanh(x=mb.expand_dims(x=line, axes=[0]), name="out")

    assert mil_program(build, {"x": X}).peak_activation().bytes == 2 * X.nbytes


def test_an_input_lives_to_its_last_use_and_an_output_to_the_end(mil_program):
    def build(mb, x):
        early = mb.relu(x=x, name="early")
        middle = mb.tanh(x=early, name="middle")
        return early, mb.sub(x=middle, y=x, name="late")

    peak = mil_program(build, {"x": X}).peak_activation()
    assert (peak.bytes, peak.operation) == (4 * X.nbytes, "late")


def test_fp16_activations_count_two_bytes(mil_program):
    build = lambda mb, x: mb.relu(x=mb.tanh(x=x))  # noqa: E731
    assert mil_program(build, {"x": X.astype(np.float16)}).peak_activation().bytes == 2 * 12 * 2


def test_memory_known_only_at_run_time_is_refused(mil_program):
    program = mil_program(lambda mb, x: mb.non_zero(x=x), {"x": X})
    with pytest.raises(InputError, match="convert with fixed shapes"):
        program.peak_activation()


def test_an_operation_the_interpreter_does_not_know_is_refused_by_name(mil_program):
    def build(mb, x):
        return mb.random_normal(shape=mb.shape(x=x)), mb.reverse_sequence(x=x, lengths=[1, 2, 3], batch_axis=0)

    with pytest.raises(InputError, match="does not know: random_normal, reverse_sequence"):
        mil_program(build, {"x": X})


def test_an_operation_that_fails_is_named(mil_program):
    program = mil_program(lambda mb, x, i: mb.gather(x=x, indices=i, name="pick"), {"x": X, "i": np.zeros(1, np.int32)})
    with pytest.raises(RuntimeError, match="gather 'pick' failed: index out of range"):
        program.run(x=X, i=np.int32([7]))


def test_importing_the_interpreter_does_not_import_coremltools():
    import subprocess
    import sys

    code = "import sys, tinysam2.mobile_runtime.mil; print('coremltools' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent\.mlpackage does not exist"):
        MILProgram.load(tmp_path / "absent.mlpackage")
