"""Targets convert in processes of their own; whatever happens to one, one sentence says so and nothing goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinysam2.converters import parallel
from tinysam2.converters.parallel import Job, run_jobs
from tinysam2.converters.stages import EXPORT_STAGES, Stages
from tinysam2.core.errors import InputError
from tinysam2.core.leftovers import Claim
from tinysam2.core.targets import RuntimePackage, Target

PROCESS = """
import os, signal, sys, time
from pathlib import Path
from tinysam2.core.errors import InputError
from tinysam2.core.fresh_process import answering


def main(arguments, say):
    name, how, _, _, folder = arguments
    pids = Path(folder) / "pids"
    pids.mkdir(exist_ok=True)
    (pids / name).write_text(str(os.getpid()))
    say(stage="slow")
    if how == "refuses":
        raise InputError("these weights do not fit")
    if how == "fails":
        print("native noise", file=sys.stderr)
        raise RuntimeError("an operator is missing")
    if how == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "waits":
        time.sleep(600)
    if how == "meets":
        # Each waits until all three are there.
        while len(list(pids.iterdir())) < 3:
            time.sleep(0.01)
    say(stage="quick")
    say(files={"image_encoder": f"{name}.bin"}, peak_bytes=3 * 2**20, processor_seconds=0.5)


answering(main)
"""


@pytest.fixture
def stub_process(tmp_path, monkeypatch):
    """A process in place of the converting one, which does what the precision says."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "stub_process.py").write_text(PROCESS)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.setattr(parallel, "PROCESS", "stub_process")


def stub(name: str) -> Target:
    runtime = RuntimePackage("Stub", "1", {})
    return Target(
        name, name.title(), (), None, None, {"fp32": "float32"}, (), runtime, stages={"slow": 60, "quick": 10}
    )


@pytest.fixture
def convert(stub_process, tmp_path):
    """Runs a job for each keyword and returns the targets in the order in which they were done, and what was told."""

    def run(workers: int = 3, **how: str) -> tuple[dict[str, str], list[tuple[float, str]]]:
        told: list[tuple[float, str]] = []
        targets = [stub(name) for name in how]
        jobs = [Job(target, how[target.name], "nano", tmp_path / "weights", tmp_path) for target in targets]
        stages = Stages(targets, lambda share, step: told.append((share, step)))
        return dict(run_jobs(jobs, workers, stages)), told

    return run


def pids(folder: Path) -> list[int]:
    """The processes that have begun, of those that live or have lived."""
    return [int(text) for path in folder.glob("pids/*") if (text := path.read_text())]


def runs(pid: int) -> bool:
    try:
        return b"stub_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_targets_convert_at_the_same_time(convert):
    files, _ = convert(one="meets", two="meets", three="meets")
    assert files == {name: {"image_encoder": f"{name}.bin"} for name in ("one", "two", "three")}


def test_one_worker_converts_one_after_another(convert):
    files, told = convert(workers=1, one="works", two="works")
    assert list(files) == ["one", "two"]
    assert [step.partition(":")[0] for _, step in told] == ["One"] * 4 + ["Two"] * 4


def test_each_stage_is_told_with_its_number_and_the_share_that_is_done(convert):
    _, told = convert(workers=1, one="works", two="works")
    each = 70 + sum(EXPORT_STAGES.values())
    before = sum(EXPORT_STAGES.values())
    shares = [0, before, before + 60, each, each, each + before, each + before + 60, 2 * each]
    assert [share for share, _ in told] == pytest.approx([share / (2 * each) for share in shares])
    steps = [re.sub(r"[\d.]+ s", "N s", step) for _, step in told[:4]]
    stages = len(EXPORT_STAGES) + 2
    assert steps == [
        f"One: loading the toolchain (1 of {stages})",
        f"One: slow ({stages - 1} of {stages})",
        f"One: quick ({stages} of {stages})",
        "One: converted in N s, N s of processor time, at most 3 MiB",
    ]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("refuses", "these weights do not fit"),
        ("is killed", "converting to Bad is killed failed: its process was killed; .*--workers 1"),
        (
            "fails",
            r"converting to Bad fails failed \(RuntimeError: an operator is missing\); .* is in (/.*bad-.*\.log)",
        ),
    ],
)
def test_a_process_that_ends_early_ends_the_others_and_is_told_in_one_sentence(convert, tmp_path, how, sentence):
    with pytest.raises(InputError, match=f"^{sentence}$") as raised:
        convert(good="waits", bad=how)
    assert [pid for pid in pids(tmp_path) if runs(pid)] == []
    if log := re.search(r"/.*\.log$", str(raised.value)):
        assert "native noise" in Path(log[0]).read_text()
        Path(log[0]).unlink()


def test_what_a_killed_process_had_begun_to_write_is_removed(convert, tmp_path):
    claim = Claim((tmp_path / "model.pte",), "0123456789ab")
    claim.partials[0].write_text("half")
    claim.lock.write_text("model.pte")
    with pytest.raises(InputError, match="its process was killed"):
        convert(bad="is killed")
    assert not list(tmp_path.glob(".*"))


PARENT = """
import sys
from pathlib import Path
from tests.converters.test_parallel import stub
from tinysam2.cli import commands
from tinysam2.converters import parallel
from tinysam2.converters.stages import Stages
import click, signal

parallel.PROCESS = "stub_process"
folder = Path(sys.argv[1])

@commands.command("stub")
def command():
    targets = [stub("one"), stub("two")]
    jobs = [parallel.Job(target, "waits", "nano", folder, folder) for target in targets]
    stages = Stages(targets, lambda share, step: print(step, flush=True))
    list(parallel.run_jobs(jobs, 2, stages))

type(commands).get_command = lambda self, context, name: command
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.argv = ["tinysam2", "stub"]
commands()
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_processes_end_with_the_one_that_started_them(stub_process, tmp_path, end):
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path / "modules"), str(root)))}
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    parent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = 0
    while begun < 2:
        begun += "slow" in parent.stdout.readline()
    parent.send_signal(end)
    _, words = parent.communicate(timeout=60)
    status = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}[end]
    assert parent.returncode == status
    if end == signal.SIGINT:
        assert words == "error: interrupted; earlier outputs are as they were\n"
    while any(runs(pid) for pid in pids(tmp_path)):
        time.sleep(0.05)
