"""`evaluate`: masks, scores and a plot of a data set, in one process or shared out by torchrun, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tinysam2.data.sample_clip import write_sample_clip
from tinysam2.mobile_runtime.backend import Backend
from tinysam2.mobile_runtime.torch_backend import TorchBackend

SIZE = (96, 72)
FRAMES = {"koi": 4, "pond": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data set of two sequences, 96x72, of one and of two objects; tests must not change it."""
    folder = tmp_path_factory.mktemp("data")
    for objects, (name, frames) in enumerate(FRAMES.items(), 1):
        write_sample_clip(folder / name, frames, SIZE, objects=objects)
    return folder


@pytest.fixture
def evaluate(run, data, tmp_path):
    """Runs `evaluate` on the data set with the float model, to `out` unless told otherwise."""
    return lambda *options, data=data, output=tmp_path / "out": run(
        "evaluate", "--data", data, "--output", output, *options
    )


def test_a_data_set_gets_masks_scores_settings_and_a_plot(evaluate, tmp_path):
    result = evaluate()
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == ["koi", "pond", "scores.png", "settings.json"]
    for name, frames in FRAMES.items():
        masks = [f"{index:05d}.png" for index in range(frames)]
        assert sorted(p.name for p in (out / name).iterdir()) == [*masks, "score.json"]
    with Image.open(out / "pond/00002.png") as mask:
        assert (mask.mode, mask.size) == ("P", SIZE)
    with Image.open(out / "scores.png") as plot:
        assert plot.format == "PNG"


def test_the_table_says_what_ran_and_whether_its_weights_are_untrained(evaluate, monkeypatch, tmp_path):
    monkeypatch.setattr("tinysam2.models.weights.checkpoint.WEIGHTS", tmp_path / "none")
    printed = evaluate("--prompt", "box").stdout
    assert all(word in printed for word in ("koi", "pond", "mean"))
    assert "nano fp32, run by PyTorch, fp32, prompted by box; untrained weights" in printed


@pytest.mark.parametrize("prompt", ["mask", "box", "click-1", "click-3"])
def test_the_scores_are_those_of_score(evaluate, run, data, tmp_path, prompt):
    evaluated = json.loads(evaluate("--prompt", prompt, "--json", "-").stdout)
    settings = evaluated.pop("settings")
    assert (settings["prompt"], settings["backend"], settings["precision"]) == (prompt, "torch", "fp32")
    assert evaluated == json.loads(run("score", tmp_path / "out", "--data", data, "--json", "-").stdout)
    assert len(evaluated["sequences"]["pond"]["objects"]["2"]["F"]["per_frame"]) == FRAMES["pond"]


def test_json_goes_to_a_file_beside_the_table(evaluate, tmp_path):
    result = evaluate("--json", tmp_path / "scores/nano.json")
    assert "koi" in result.stdout
    assert json.loads((tmp_path / "scores/nano.json").read_text())["settings"]["trained"] is True


def test_a_finished_evaluation_is_only_read(evaluate, contents, tmp_path, monkeypatch):
    first = evaluate("--json", "-").stdout
    (tmp_path / "out/scores.png").unlink()
    monkeypatch.setattr(TorchBackend, "execute", None)
    assert evaluate("--json", "-").stdout == first
    assert (tmp_path / "out/scores.png").is_file()


def test_an_interrupted_evaluation_goes_on_where_it_stopped(evaluate, tmp_path, monkeypatch):
    calls, execute = [], TorchBackend.execute

    def counted(self: Backend, program, inputs):
        calls.append(program)
        if limit and len(calls) > limit:
            raise KeyboardInterrupt
        return execute(self, program, inputs)

    monkeypatch.setattr(TorchBackend, "execute", counted)
    limit = 4 * FRAMES["koi"] + 3
    assert evaluate().exit_code == 130
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["koi", "settings.json"]
    limit = None
    calls.clear()
    assert evaluate().exit_code == 0
    assert calls.count("image_encoder") == FRAMES["pond"]


def test_other_settings_are_refused_by_what_differs(evaluate, assert_refused, contents, tmp_path):
    evaluate()
    earlier = contents(tmp_path)
    assert_refused(evaluate("--prompt", "click-3"), "out holds an evaluation whose prompt is mask", "it is click-3")
    assert contents(tmp_path) == earlier


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prompt", "scribble"], ["unknown prompt 'scribble'", "mask, box, click-1, click-3"]),
        (["--backend", "onnx"], ["unknown backend 'onnx'", "torch, coreml"]),
        (["--precision", "fp16"], ["torch runs in fp32"]),
        (["--artifacts", "folder"], ["leave --artifacts out"]),
        (["--checkpoint", "absent.safetensors"], ["absent.safetensors does not exist"]),
        (["--split", "val"], ["'val'"]),
        (["--json", "/"], ["cannot write /"]),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(evaluate, assert_refused, tmp_path, options, words):
    assert_refused(evaluate(*options), *words)
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_none_is_refused(evaluate, assert_refused, tmp_path):
    assert_refused(evaluate(data=tmp_path / "absent"), "absent", "does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(evaluate, assert_refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("words")
    assert_refused(evaluate(), "out is not empty", "a new or an empty folder")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_the_data_is_not_written_over(evaluate, assert_refused, data, contents):
    earlier = contents(data)
    assert_refused(evaluate(output=data), "would replace the input")
    assert contents(data) == earlier


def by_torchrun(*options) -> subprocess.CompletedProcess:
    """Runs `evaluate` in two processes, one thread each."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = ["-m", "tinysam2", "evaluate", *map(str, options)]
    return subprocess.run([*launcher, *arguments], capture_output=True, text=True, check=False, timeout=300)


def test_two_processes_come_to_the_same_and_one_of_them_speaks(evaluate, data, tmp_path):
    alone = evaluate("--json", "-").stdout
    ended = by_torchrun("--data", data, "--output", tmp_path / "shared", "--json", "-")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == alone
    assert ended.stderr.count("loading the model") == 1


def test_a_process_that_fails_ends_all_of_them_and_keeps_what_is_finished(evaluate, run, tmp_path):
    data = tmp_path / "data"
    for name, frames in FRAMES.items():
        write_sample_clip(data / name, frames, SIZE)
    # The shorter sequence is the second process's.
    frame = data / "pond/frames/00001.jpg"
    whole = frame.read_bytes()
    frame.write_bytes(whole[: len(whole) // 2])
    output = tmp_path / "out"
    ended = by_torchrun("--data", data, "--output", output)
    assert ended.returncode != 0
    assert "pond/frames/00001.jpg is damaged" in ended.stderr
    assert ended.stdout == ""
    assert not (output / "pond").exists()
    assert not (output / "scores.png").exists()


def test_a_clusters_rank_without_torchrun_shares_nothing_out(evaluate, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert evaluate().exit_code == 0
    assert {"koi", "pond"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_processes_that_are_told_their_ranks_come_to_the_same(evaluate, tmp_path):
    alone = json.loads(evaluate("--json", "-").stdout)
    shared = tmp_path / "shared"
    assert evaluate("--rank", 1, "--workers", 2, output=shared).stdout == ""
    assert {path.name for path in shared.iterdir()} & {"koi", "pond", "scores.png"} == {"pond"}
    assert json.loads(evaluate("--rank", 0, "--workers", 2, "--json", "-", output=shared).stdout) == alone


def test_a_process_that_is_missing_is_told_after_the_time_that_was_set(evaluate, assert_refused, tmp_path):
    result = evaluate("--rank", 0, "--workers", 2, "--wait", 0.5)
    assert result.exit_code == 2
    assert result.stdout == ""
    told = result.stderr.splitlines()[-1]
    assert "no other process finished a sequence in 0.5 seconds, and 1 are not in" in told
    assert "(pond is one); start the other processes, or raise --wait" in told
    assert (tmp_path / "out/koi/score.json").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rank", "0"], "--rank and --workers belong together"),
        (["--workers", "2"], "--rank and --workers belong together"),
        (["--rank", "2", "--workers", "2"], "--rank 2 does not fit --workers 2; ranks are 0 to workers - 1"),
        (["--rank", "-1", "--workers", "2"], "--rank -1 does not fit --workers 2"),
        (["--wait", "0"], "--wait"),
    ],
)
def test_a_place_that_does_not_fit_is_refused(evaluate, assert_refused, tmp_path, options, words):
    assert_refused(evaluate(*options), words)
    assert list(tmp_path.iterdir()) == []
