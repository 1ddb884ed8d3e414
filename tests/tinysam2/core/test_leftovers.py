"""A process that is killed while it replaces an output leaves the old or the new one, at once or after recovery."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinysam2.core import leftovers
from tinysam2.core.files import atomic_path, check_output_file, check_output_folder
from tinysam2.core.leftovers import recover

KILLED_AT_EACH_STEP = """
import json, os, signal, sys
from pathlib import Path
from tinysam2.core import files, replacing

root, kind, steps_left = Path(sys.argv[1]), sys.argv[2], 0
if kind.endswith("fallback"):
    replacing._exchanged = lambda new, path: False
WATCHED = {"open", "fcntl.flock", "shutil.rmtree"}
WATCHED |= {"os." + name for name in ("listdir", "mkdir", "remove", "rename", "rmdir", "scandir")}

def kill(event, _):
    global steps_left
    if event in WATCHED:
        steps_left -= 1
        if steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def replace(target):
    if kind.startswith("several"):
        with files.atomic_paths([target, target.with_name("out.zip"), target.with_name("other")]) as [one, zipped, two]:
            for folder in (one, two):
                folder.mkdir()
                (folder / "one").write_text("new")
                (folder / "two").write_text("new")
            zipped.write_text("new")
        return
    with files.atomic_path(target) as temporary:
        if kind == "file":
            temporary.write_text("new")
        else:
            temporary.mkdir()
            (temporary / "one").write_text("new")
            (temporary / "two").write_text("new")

def made(step):
    target = root / str(step) / "out"
    target.parent.mkdir()
    if kind == "file":
        target.write_text("old")
    else:
        for folder in [target] + [target.with_name("other")] * kind.startswith("several"):
            folder.mkdir()
            (folder / "one").write_text("old")
            (folder / "two").write_text("old")
    if kind.startswith("several"):
        target.with_name("out.zip").write_text("old")
    return target

replace(made(0))  # imports everything
step, killed = 0, True
while killed:
    step += 1
    target = made(step)
    child = os.fork()
    if child == 0:
        steps_left = step
        sys.addaudithook(kill)
        replace(target)
        os._exit(0)
    killed = os.waitpid(child, 0)[1] == signal.SIGKILL
print(step)
"""


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """The warnings that are logged."""
    sentences: list[str] = []
    monkeypatch.setattr(leftovers._log, "warning", lambda text, *values: sentences.append(text % values))
    return sentences


def text_of(output: Path) -> list[str]:
    """What a file, or each file of a folder, holds; nothing where there is none."""
    if output.is_file():
        return [output.read_text()]
    return [output.joinpath(name).read_text() for name in ("one", "two")] if output.is_dir() else []


@pytest.mark.parametrize("kind", ["file", "exchange", "fallback"])
def test_an_output_survives_a_kill_at_each_step(tmp_path, kind, told):
    command = [sys.executable, "-c", KILLED_AT_EACH_STEP, str(tmp_path), kind]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert steps > 6
    whole = [["old"], ["new"]] if kind == "file" else [["old"] * 2, ["new"] * 2]
    found, missing = [], 0
    for step in range(1, steps + 1):
        output = tmp_path / str(step) / "out"
        left = [name for name in os.listdir(output.parent) if name != "out" and not name.endswith(".lock")]
        missing += not output.exists()
        if kind != "fallback":
            assert text_of(output) in whole, f"step {step}"
        told.clear()
        (check_output_file if kind == "file" else check_output_folder)(output)
        assert text_of(output) in whole, f"step {step}, after the next command"
        assert os.listdir(output.parent) == ["out"], f"step {step}"
        assert bool(told) == bool(left), f"step {step}: leftovers are told"
        found.append(text_of(output))
    # Both outcomes were seen, and in the two-step replacement the moment between its renames too.
    assert found[0] == whole[0]
    assert found[-1] == whole[1]
    assert (missing > 0) == (kind == "fallback")


@pytest.mark.parametrize("kind", ["several", "several-fallback"])
def test_several_outputs_are_all_old_or_all_new_after_a_kill_at_each_step(tmp_path, kind, told):
    command = [sys.executable, "-c", KILLED_AT_EACH_STEP, str(tmp_path), kind]
    steps = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    found, mixed = [], 0
    for step in range(1, steps + 1):
        folder = tmp_path / str(step)
        places = [folder / name for name in ("out", "out.zip", "other")]
        left = [name for name in os.listdir(folder) if name.startswith(".") and not name.endswith(".lock")]
        before = [text for place in places for text in text_of(place)]
        mixed += len(set(before)) > 1
        if kind == "several":
            assert len(before) == 5, f"step {step}: each is whole"
        told.clear()
        check_output_folder(places[0])
        after = [text for place in places for text in text_of(place)]
        assert after in (["old"] * 5, ["new"] * 5), f"step {step}, after the next command"
        assert sorted(os.listdir(folder)) == ["other", "out", "out.zip"], f"step {step}"
        assert bool(told) == bool(left), f"step {step}: leftovers are told"
        found.append(after[0])
    assert (found[0], found[-1]) == ("old", "new")
    assert found == sorted(found, reverse=True), "from one step on it is the new ones"
    assert mixed > 0, "the moment between two renames was seen"


def test_a_former_output_is_brought_back_with_a_sentence(tmp_path, told):
    former = tmp_path / ".0123456789ab.former"
    former.mkdir()
    (tmp_path / ".0123456789ab.lock").write_text("dist")
    recover(tmp_path)
    assert os.listdir(tmp_path) == ["dist"]
    assert told == [f"brought back {tmp_path / 'dist'}, which a command that was killed had moved aside"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    code = f"""
from pathlib import Path
from tinysam2.core import leftovers
from tinysam2.core.files import atomic_path
with atomic_path({str(tmp_path / "out")!r}) as temporary:
    temporary.write_text("new")
    print("writing", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "writing\n"
        recover(tmp_path)
        writer.communicate("\n", timeout=60)
    assert writer.returncode == 0
    assert os.listdir(tmp_path) == ["out"]


def test_what_this_process_writes_is_left_alone(tmp_path):
    with atomic_path(tmp_path / "out") as temporary:
        temporary.write_text("new")
        recover(tmp_path)
        assert temporary.exists()
    assert (tmp_path / "out").read_text() == "new"


def test_hidden_files_of_others_are_left_alone(tmp_path):
    names = [".gitignore", ".0a1b.partial.json", ".0123456789ab", ".0123456789ab.png"]
    for name in names:
        (tmp_path / name).touch()
    recover(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_a_command_that_reads_a_folder_finds_the_one_that_stepped_aside(run, write_card, tmp_path):
    former = tmp_path / ".0123456789ab.former"
    former.mkdir()
    (former / "settings.json").write_text(json.dumps({}))
    (tmp_path / ".0123456789ab.lock").write_text("artifacts")
    run("validate", tmp_path / "artifacts")
    assert os.listdir(tmp_path) == ["artifacts"]
