"""Every operation that the interpreter claims to know is computed by some test, and every attribute varied."""

import runpy
from collections import defaultdict
from pathlib import Path

import coremltools as ct
import numpy as np
import pytest

from tinysam2.mobile_runtime.mil.mil_function import graph_from_mil
from tinysam2.mobile_runtime.mil.operations import KERNELS
from tinysam2.mobile_runtime.mil.operations.registry import unchanged

ONE_VALUE_EXISTS = {("constexpr_cast", "output_dtype")}
"""Attributes for which MIL allows a single value."""


@pytest.fixture(scope="module")
def cases():
    """Operation type -> its cases, from all the tables."""
    files = Path(__file__).parent.glob("test_*_operations.py")
    return {name: cases for file in files for name, cases in runpy.run_path(str(file))["CASES"].items()}


def test_the_tables_of_cases_name_every_registered_operation(cases):
    assert set(cases) == set(KERNELS)


def test_every_attribute_takes_several_values_over_the_cases(cases, mil_function):
    seen = defaultdict(set)
    for name, of_operation in cases.items():
        for build, arrays, _, *options in (case for case in of_operation if isinstance(case, tuple)):
            zeros = {
                key: np.zeros(given, np.float32) if isinstance(given, tuple) else given for key, given in arrays.items()
            }
            graph = graph_from_mil(mil_function(build, zeros, **({"opset": ct.target.iOS18} | dict(*options))))
            for operation in graph.operations:
                if operation.type == name:
                    for attribute in attributes(name):
                        source = operation.inputs.get(attribute)
                        seen[name, attribute].add(
                            repr(graph.constants.get(source, source) if isinstance(source, str) else source)
                        )
    varied = {pair for pair, values in seen.items() if len(values) > 1} | ONE_VALUE_EXISTS
    assert {pair for pair in seen if pair not in varied} == set()


def attributes(operation_type):
    """An operation's parameters that are no tensors, and its tensors that may be absent."""
    kernel = KERNELS[operation_type]
    return {name for name, convert in kernel.converters.items() if convert is not unchanged or name in kernel.optional}
