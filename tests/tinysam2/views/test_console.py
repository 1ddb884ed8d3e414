"""Steps are seen wherever standard error goes, and native noise is not."""

import os
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO

from rich.console import Console
from rich.progress import Progress

from tinysam2.core.silencing import silenced
from tinysam2.views.console import Steps, _Count, _Left, print_table, shown_steps


def test_steps_are_seen_while_noise_is_silenced(capfd):
    with shown_steps() as steps, silenced(), redirect_stderr(StringIO()):
        os.write(2, b"delegate created")
        steps.begin("converting [fp16]")
    assert capfd.readouterr() == ("", "converting [fp16]\n")


def test_steps_leave_the_callers_descriptor_open(capfd):
    with shown_steps():
        pass
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_items_are_handed_on_one_at_a_time():
    taken = []
    with shown_steps() as steps:
        counted = steps.counted((taken.append(i) or i for i in range(3)), "tracking", 3)
        assert next(counted) == 0
        assert taken == [0]
        assert list(counted) == [1, 2]


ON_A_TERMINAL = """
import time
from tinysam2.core.silencing import silenced
from tinysam2.views.console import shown_steps
with shown_steps() as steps, silenced():
    for _ in steps.counted(range(4), "tracking pond", 4):
        time.sleep(0.2)
"""


def test_a_terminal_gets_a_live_bar_and_how_long_is_left():
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", ON_A_TERMINAL], stderr=slave, check=True, env=environment)
    os.close(slave)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert "tracking pond" in shown
    assert "4/4" in shown
    assert " left" in shown


def test_a_piped_table_cuts_nothing(capsys):
    path = "/a/long/path" * 8
    print_table(("file", "bytes"), [(path, "1,024")])
    assert path in capsys.readouterr().out


def test_a_counter_begins_its_step_and_takes_how_many_are_done(capfd):
    with shown_steps() as steps:
        done = steps.counter("validating")
        done(1)
        done(2)
    assert capfd.readouterr().err == "validating\n"


def test_a_step_told_in_shares_is_a_line_each_with_its_share(capfd):
    with shown_steps() as steps:
        show = steps.shares("converting")
        show(0, "LiteRT: exporting")
        show(0.25, "LiteRT: writing")
    assert capfd.readouterr().err.splitlines() == ["converting", "  0% LiteRT: exporting", " 25% LiteRT: writing"]


def test_what_is_left_of_a_step_told_in_shares_follows_from_its_pace_and_counts_down():
    clock = [100.0]
    live = Progress(get_time=lambda: clock[0], console=Console(file=StringIO()))
    steps, count, left = Steps(live.console, live), _Count(), _Left()

    def shown() -> tuple[str, str]:
        return count.render(live.tasks[0]).plain, left.render(live.tasks[0]).plain

    show = steps.shares("converting")
    show(0, "LiteRT: exporting")
    assert shown() == ("0%", "")
    clock[0] += 10
    show(0.25, "LiteRT: writing")
    assert shown() == ("25%", "0:00:30 left")
    clock[0] += 12
    assert shown() == ("25%", "0:00:18 left")
    steps.begin("validating", 40)
    assert shown()[0].strip() == "0/40"
    steps.begin("writing")
    assert shown() == ("", "")
