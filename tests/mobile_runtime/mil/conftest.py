"""Small MIL programs, built in memory: no conversion and no files, so each takes milliseconds."""

import importlib.util

import numpy as np
import pytest
import torch

if importlib.util.find_spec("coremltools") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def _one_thread():
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


@pytest.fixture(scope="session")
def convert():
    """convert(module, example, path, precision, **options): the package that coremltools makes of a torch module."""
    import coremltools as ct

    def make(module, example, path, precision=ct.precision.FLOAT32, dynamic_shapes=None, **options):
        exported = torch.export.export(module.eval(), example, strict=False, dynamic_shapes=dynamic_shapes)
        options = {"minimum_deployment_target": ct.target.iOS17, "compute_precision": precision} | options
        model = ct.convert(exported.run_decompositions({}), convert_to="mlprogram", skip_model_load=True, **options)
        model.save(str(path))
        return path

    return make


@pytest.fixture
def mil_function():
    """make(build, arrays, opset): the function build(mb, **inputs), each input typed as its array."""
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import Function, types

    def make(build, arrays, opset, states=None):
        inputs = {
            name: mb.placeholder(array.shape, types.numpy_type_to_builtin_type(array.dtype), name=name)
            for name, array in arrays.items()
        }
        for name, array in (states or {}).items():
            inputs[name] = mb.state_tensor_placeholder(array.shape, types.numpy_type_to_builtin_type(array.dtype))
        with Function(inputs, opset) as function:
            outputs = build(mb, **{name: function.inputs[name] for name in inputs})
            function.set_outputs(list(outputs) if isinstance(outputs, tuple | list) else [outputs])
        return function

    return make


@pytest.fixture
def mil_program(mil_function):
    """As mil_function, but loaded into the interpreter."""
    import coremltools as ct

    from tinysam2.mobile_runtime.mil.mil_function import graph_from_mil
    from tinysam2.mobile_runtime.mil.program import MILProgram

    def make(build, arrays, opset=ct.target.iOS18, storage="declared", states=None):
        return MILProgram(graph_from_mil(mil_function(build, arrays, opset, states)), storage)

    return make


@pytest.fixture
def agree(mil_program):
    """Checks that an operation computes what an independent definition of it in torch computes.

    arrays: name -> array, or a shape that stands for normal random numbers.
    """

    def check(operation_type, build, arrays, expect, **options):
        random = np.random.default_rng(20)
        arrays = {
            name: random.standard_normal(given).astype(np.float32) if isinstance(given, tuple) else given
            for name, given in arrays.items()
        }
        program = mil_program(build, arrays, **options)
        assert operation_type in {operation.type for operation in program.operations}
        results = list(program.run(**arrays).values())
        expected = expect(*(torch.from_numpy(array.copy()) for array in arrays.values()))
        expected = list(expected) if isinstance(expected, tuple | list) else [expected]
        assert len(results) == len(expected)
        for result, wanted in zip(results, expected, strict=True):
            wanted = torch.as_tensor(wanted).numpy()
            assert result.shape == wanted.shape
            np.testing.assert_allclose(result, wanted.astype(result.dtype), rtol=2e-5, atol=2e-6)

    return check
