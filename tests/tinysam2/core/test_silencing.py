"""Noise is dropped while any thread is in a silenced block, and everything is as before after the last one."""

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable

import pytest

from tinysam2.core.silencing import silenced


def state() -> tuple:
    """Everything of the process that a silenced block changes."""
    error = os.fstat(2)
    return (
        sys.stdout,
        sys.stderr,
        (error.st_dev, error.st_ino),
        logging.root.manager.disable,
        warnings.filters,
        len(os.listdir("/dev/fd")),
    )


def in_threads(*functions: Callable[[], None]) -> None:
    """Runs functions, each in a thread of its own, and raises what one of them raised."""
    raised: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if raised:
        raise raised[0]


def test_blocks_that_overlap_are_silent_until_the_last_one_ends(capfd):
    before = state()
    both_in, first_out = threading.Barrier(2, timeout=30), threading.Event()

    def first() -> None:
        with silenced():
            both_in.wait()
        first_out.set()

    def second() -> None:
        with silenced():
            both_in.wait()
            assert first_out.wait(30)
            os.write(2, b"delegate created")
            print("still silent", file=sys.stderr)

    in_threads(first, second)
    assert state() == before
    assert capfd.readouterr() == ("", "")
    print("heard")
    os.write(2, b"heard too")
    assert capfd.readouterr() == ("heard\n", "heard too")


def test_many_threads_leave_the_process_as_it_was():
    before = state()
    start = threading.Barrier(8, timeout=30)

    def work() -> None:
        start.wait()
        for _ in range(50):
            with silenced(), silenced():
                warnings.warn("noise", stacklevel=1)

    in_threads(*[work] * 8)
    assert state() == before


def test_a_block_that_raises_while_another_is_open_restores_nothing_before_the_other_ends():
    before = state()
    with silenced():
        with pytest.raises(KeyboardInterrupt), silenced():
            raise KeyboardInterrupt
        assert logging.root.manager.disable == logging.ERROR
    assert state() == before


def test_standard_output_is_given_away_once():
    code = """
from tinysam2.core.silencing import stdout_for_answers
with stdout_for_answers() as answers:
    print("noise", flush=True)
    try:
        with stdout_for_answers():
            pass
    except RuntimeError as error:
        print(error, file=answers)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("this process's standard output is taken")
    assert ended.stdout.count("\n") == 1


def test_a_closed_stderr_is_no_obstacle():
    script = "from tinysam2.core.silencing import silenced\nwith silenced(): print('unheard')\nprint('heard')"
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, script], stdout=subprocess.PIPE, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "heard\n")
