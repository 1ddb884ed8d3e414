"""One thread for torch where it is used, and no torch where it is not."""

import subprocess
import sys

import pytest
import torch

from tinysam2.mobile_runtime.threads import one_thread


def test_torch_has_one_thread_within_the_block_and_its_own_number_afterwards():
    former = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(ArithmeticError), one_thread():
            raise ArithmeticError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(former)


def test_torch_is_not_loaded_for_a_runtime_that_does_without():
    script = (
        "import sys\n"
        "from tinysam2.mobile_runtime.threads import one_thread\n"
        "with one_thread(): pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
