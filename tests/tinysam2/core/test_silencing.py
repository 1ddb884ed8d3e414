"""Silence: what it drops, and that overlapping blocks in several threads leave the process as they found it."""

import io
import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest

from tinysam2.core.silencing import silenced


def state() -> tuple[object, ...]:
    """What a silenced block changes, and has to give back."""
    return sys.stdout, sys.stderr, os.fstat(2).st_ino, logging.root.manager.disable, tuple(warnings.filters)


def test_everything_printed_is_dropped_and_comes_back(capfd):
    with silenced():
        print("printed")
        os.write(2, b"native")
        logging.getLogger("converter").error("logged")
        warnings.warn("warned", stacklevel=1)
    os.write(2, b"heard")
    assert capfd.readouterr() == ("", "heard")


def test_an_exception_passes_and_ends_the_silence():
    before = state()
    with pytest.raises(ValueError, match="corrupt"), silenced():
        raise ValueError("corrupt")
    assert state() == before


@pytest.mark.parametrize("first_out", [0, 1])
def test_blocks_that_overlap_in_threads_give_everything_back(first_out):
    before = state()
    both_in, may_leave = threading.Barrier(3), [threading.Event(), threading.Event()]
    left = [threading.Event(), threading.Event()]
    seen = []

    def block(index):
        with silenced():
            both_in.wait(10)
            may_leave[index].wait(10)
        left[index].set()

    threads = [threading.Thread(target=block, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    both_in.wait(10)
    may_leave[first_out].set()
    left[first_out].wait(10)
    seen.append(isinstance(sys.stdout, io.StringIO))
    may_leave[1 - first_out].set()
    for thread in threads:
        thread.join(10)
    assert seen == [True], "the block that was still open had lost its silence"
    assert state() == before


def test_many_threads_in_random_order_leave_no_trace():
    before, descriptors = state(), len(os.listdir("/dev/fd"))

    def blocks():
        for _ in range(50):
            with silenced(), silenced():
                print("unheard")

    threads = [threading.Thread(target=blocks) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert state() == before
    assert len(os.listdir("/dev/fd")) == descriptors


def test_a_closed_stderr_is_no_obstacle():
    script = "from tinysam2.core.silencing import silenced\nwith silenced(): print('unheard')\nprint('heard')"
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, script], stdout=subprocess.PIPE, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "heard\n")
