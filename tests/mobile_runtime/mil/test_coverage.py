"""Every operation that the interpreter claims to know is computed by some test."""

import runpy
from pathlib import Path

from mobile_runtime.mil.operations import KERNELS


def test_the_tables_of_cases_name_every_registered_operation():
    files = Path(__file__).parent.glob("test_*_operations.py")
    tested = set().union(*(runpy.run_path(str(file))["CASES"] for file in files))
    assert tested == set(KERNELS)
