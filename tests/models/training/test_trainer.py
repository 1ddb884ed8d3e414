"""A run learns, goes on where it was stopped, and is the same on however many processes and workers."""

import copy
import csv
import math
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from tinysam2.core.errors import InputError
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.models.training import trainer
from tinysam2.models.training.clips import ClipSampler
from tinysam2.models.training.footage import Footage
from tinysam2.models.training.parallel import Execution, TrainedStep
from tinysam2.models.training.run_folder import CURVES, LOG, STATE, WEIGHTS, RunFolder
from tinysam2.models.training.settings import Augmentation, PromptMix, Stage
from tinysam2.models.training.trainer import LOG_EVERY, train
from tinysam2.models.weights.checkpoint import load_model, seeded_model

EVERYTHING = Augmentation(warp=1.0, colour=1.0, paste=0.5, occluder=0.5, distractor=0.5, grey=0.5)


@pytest.fixture(scope="module")
def videos(moving_video):
    """The videos that `training_process.py` trains on."""
    return moving_video(0), moving_video(1)


@pytest.fixture
def run(small_config, videos, tmp_path):
    """Trains the seeded small model in a folder of that name and returns the folder; more: for `train`."""

    def make(name: str, settings, **more) -> RunFolder:
        folder = RunFolder(tmp_path / name)
        assert train(seeded_model(small_config), videos, settings, folder, **more) == folder.file(WEIGHTS)
        return folder

    return make


@pytest.fixture
def process(small_config, tmp_path):
    """Starts one process of a run in a folder of that name; variables: of its environment."""

    def start(name: str, settings, kill_after: int | None = None, **variables: str) -> subprocess.Popen:
        job = {"config": small_config, "settings": settings, "folder": tmp_path / name, "kill_after": kill_after}
        file = tmp_path / f"{name}.pickle"
        file.write_bytes(pickle.dumps({**job, "log_every": trainer.LOG_EVERY}))
        script = Path(__file__).with_name("training_process.py")
        root = script.parents[3]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), **variables}
        return subprocess.Popen([sys.executable, script, file], env=environment, stderr=subprocess.PIPE, text=True)

    return start


def rows(folder: RunFolder) -> list[dict[str, str]]:
    with folder.file(LOG).open() as file:
        return list(csv.DictReader(file))


def weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.file(WEIGHTS))


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_one_clip_is_learned_by_heart(small_config, short_run, moving_video, judge, tmp_path):
    video = moving_video(frames=6, radius=0.3)
    copied = replace(video, masks=np.broadcast_to(video.masks[:1], video.masks.shape))
    overlap = (copied.masks & video.masks).sum((1, 2)) / (copied.masks | video.masks).sum((1, 2))
    assert overlap[1:].mean() < 0.75, "an answer that never moves must not pass"

    settings = short_run(
        100, frames=4, clips=1, parts=1, learning_rate=3e-3, warmup=10, ema=0.9, prompts=PromptMix(mask=1.0, box=0.0)
    )
    trained = train(seeded_model(small_config), (video,), settings, RunFolder(tmp_path / "run"))
    held_out = judge(video)
    assert held_out.mean_j(seeded_model(small_config)) < 0.75
    assert held_out.mean_j(load_model(small_config, trained).model) > 0.95


@pytest.mark.parametrize("killed_after", [3, 4])
def test_a_run_that_was_killed_goes_on_to_the_very_same_weights(run, process, short_run, killed_after):
    settings = short_run(5, clips=2, real=0.5, augmentation=EVERYTHING, checkpoint_every=2)
    ended = process("killed", settings, kill_after=killed_after)
    assert ended.wait(timeout=300) == -signal.SIGKILL
    whole, killed = run("whole", settings), run("killed", settings)
    assert same(weights(whole), weights(killed))
    assert whole.file(LOG).read_text() == killed.file(LOG).read_text()


def test_a_run_goes_on_from_its_state_and_not_from_the_beginning(run, short_run):
    settings = short_run(4, clips=2, checkpoint_every=2)
    steps: list[int] = []

    def interrupted(done: TrainedStep) -> None:
        steps.append(done.step)
        if steps == [1, 2, 3]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("run", settings, execution=Execution(progress=interrupted))
    run("run", settings, execution=Execution(progress=interrupted))
    assert steps == [1, 2, 3, 3, 4]


def test_a_run_that_has_ended_is_left_as_it_is(run, short_run):
    settings = short_run(2, clips=2)
    folder = run("run", settings)
    before = {file.name: file.read_bytes() for file in folder.path.iterdir()}
    run("run", settings, execution=Execution(progress=lambda done: pytest.fail("there was nothing left")))
    assert {file.name: file.read_bytes() for file in folder.path.iterdir()} == before


def test_a_damaged_state_stops_a_run_before_it_changes_anything(run, short_run):
    folder = run("run", short_run(2, clips=2))
    folder.file(STATE).write_bytes(folder.file(STATE).read_bytes()[:1000])
    before = {file.name: file.read_bytes() for file in folder.path.iterdir()}
    with pytest.raises(InputError, match=r"state\.pt is damaged"):
        run("run", short_run(4, clips=2))
    assert {file.name: file.read_bytes() for file in folder.path.iterdir()} == before


@pytest.mark.parametrize("state", [{}, {"model": 3}, {"model": {"w": torch.ones(2)}}, [1]], ids=str)
def test_a_state_that_is_another_runs_is_refused(run, short_run, tmp_path, state):
    settings = short_run(2, clips=2, checkpoint_every=1)

    def interrupted(done: TrainedStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("run", settings, execution=Execution(progress=interrupted))
    torch.save(state, tmp_path / "run" / STATE)
    with pytest.raises(InputError, match="holds a state of another run"):
        run("run", settings)


def test_two_processes_train_as_one(run, process, short_run, monkeypatch):
    monkeypatch.setattr(trainer, "LOG_EVERY", 1)
    settings = short_run(8, clips=4, real=0.5, augmentation=EVERYTHING)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free.getsockname()[1]),
            "WORLD_SIZE": "2",
            "TORCHELASTIC_RUN_ID": "test",
        }
    two = [process("two", settings, **where, RANK=str(rank)) for rank in (0, 1)]
    one = run("one", settings)
    for started in two:
        errors = started.communicate(timeout=300)[1]
        assert started.returncode == 0, errors
    together = RunFolder(one.path.with_name("two"))
    assert len(rows(one)) == len(rows(together)) == 8
    for alone, shared in zip(rows(one), rows(together), strict=True):
        assert alone.keys() == shared.keys()
        for name, value in alone.items():
            assert float(shared[name]) == pytest.approx(float(value), abs=1e-4), name
    shared = weights(together)
    for name, tensor in weights(one).items():
        torch.testing.assert_close(shared[name], tensor, atol=1e-4, rtol=1e-3, msg=name)


def test_workers_that_prepare_clips_change_nothing(run, short_run):
    settings = short_run(3, clips=2, real=0.5, augmentation=EVERYTHING)
    alone, helped = run("alone", settings), run("helped", settings, execution=Execution(workers=1))
    assert same(weights(alone), weights(helped))


class DamagedVideo(AnnotatedSequence):
    """A video of which only the first frame can be read."""

    def __init__(self, whole) -> None:
        self.whole, self.name, self.objects, self.frame_names = whole, whole.name, whole.objects, whole.frame_names

    def frame(self, index: int) -> np.ndarray:
        if index:
            raise InputError(f"{self.name}/{index:05}.jpg is damaged; replace it by a whole picture")
        return self.whole.frame(index)

    def ids(self, index: int) -> np.ndarray | None:
        return self.whole.ids(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_read_is_named_in_one_sentence(
    short_run, moving_video, small_config, tmp_path, workers
):
    model, damaged, folder = seeded_model(small_config), DamagedVideo(moving_video(0)), RunFolder(tmp_path / "run")
    with pytest.raises(InputError) as refusal:
        train(model, (damaged,), short_run(1), folder, execution=Execution(workers=workers))
    assert re.fullmatch(r"disc0/0000\d\.jpg is damaged; replace it by a whole picture", str(refusal.value))


def test_a_run_writes_its_log_curves_and_weights(run, short_run, videos, judge, small_config):
    settings = short_run(LOG_EVERY + 2, frames=2, clips=2, validate_every=LOG_EVERY, seed=3)
    folder = run("run", settings, held_out=judge(videos[0]))
    assert {file.name for file in folder.path.iterdir()} == {LOG, CURVES, STATE, WEIGHTS}

    first, last = rows(folder)
    assert [first["step"], last["step"]] == [str(LOG_EVERY), str(LOG_EVERY + 2)]
    losses = {"loss", "focal", "dice", "iou", "object_score", "j", "gradient_norm", "held_out_j", "learning_rate"}
    assert losses <= first.keys()
    assert all(math.isfinite(float(value)) for row in (first, last) for value in row.values())
    assert float(last["learning_rate"]) == pytest.approx(settings.rate(settings.steps - 1))
    trained = load_model(small_config, folder.file(WEIGHTS)).model
    assert float(last["held_out_j"]) == pytest.approx(judge(videos[0]).mean_j(trained), abs=1e-6)
    with Image.open(folder.file(CURVES)) as image:
        assert image.format == "PNG"

    loaded = load_model(small_config, folder.file(WEIGHTS))
    assert loaded.trained
    assert same(dict(loaded.model.state_dict()), weights(folder))
    with safe_open(folder.file(WEIGHTS), "pt") as file:
        described = {"preset": "small", "steps": str(LOG_EVERY + 2), "seed": "3"}
        assert file.metadata() == {**described, "licence": "not stated", "trained_on": "[]"}


def test_progress_tells_every_step_and_the_last_row(run, short_run):
    told: list[TrainedStep] = []
    run("run", short_run(3, clips=2), execution=Execution(progress=told.append))
    assert [done.step for done in told] == [1, 2, 3]
    assert [bool(done.figures) for done in told] == [False, False, True]


def test_the_encoder_may_run_in_bfloat16(run, short_run):
    settings = short_run(2, clips=2)
    full, mixed = run("full", settings), run("mixed", replace(settings, mixed_precision=True))
    for row in rows(mixed):
        assert all(math.isfinite(float(value)) for value in row.values())
    assert float(rows(mixed)[0]["loss"]) == pytest.approx(float(rows(full)[0]["loss"]), rel=0.05)
    assert all(torch.isfinite(tensor).all() for tensor in weights(mixed).values())
    assert not same(weights(full), weights(mixed))


def test_every_bank_of_a_run_trains_the_same_weights(small_config, short_run, videos, tmp_path):
    banks = tuple(replace(small_config.bank, tokens_per_frame=tokens) for tokens in (1, 4))
    settings = short_run(4, frames=5, clips=2, banks=banks)
    model = seeded_model(small_config)
    folder = RunFolder(tmp_path / "run")
    train(model, videos, settings, folder)
    trained = weights(folder)
    assert trained.keys() == seeded_model(small_config).state_dict().keys()
    assert not torch.equal(trained["memory_encoder.projection.weight"], _seeded(small_config, "memory_encoder"))
    assert load_model(small_config, folder.file(WEIGHTS)).model.config == small_config


def _seeded(config, room: str) -> torch.Tensor:
    return seeded_model(config).state_dict()[f"{room}.projection.weight"]


def test_the_result_is_the_average_of_the_weights_along_the_way(small_config, videos, short_run, tmp_path):
    model, folder = seeded_model(small_config), RunFolder(tmp_path / "run")
    name = "memory_encoder.projection.weight"
    seen = [model.state_dict()[name].clone()]
    settings = short_run(3, clips=2, ema=0.999)
    watching = Execution(progress=lambda done: seen.append(model.state_dict()[name].clone()))
    train(model, videos, settings, folder, execution=watching)
    averaged = seen[0]
    for step, now in enumerate(seen[1:], 1):
        # Early on, the average forgets where the run began.
        decay = min(0.999, (1 + step) / (10 + step))
        averaged = decay * averaged + (1 - decay) * now
    torch.testing.assert_close(weights(folder)[name], averaged)


def test_the_first_step_is_small_while_the_rate_warms_up(small_config, videos, short_run, tmp_path):
    moved = []
    for warmup in (0, 100):
        model = seeded_model(small_config)
        before = copy.deepcopy(model.state_dict())
        train(model, videos, short_run(1, clips=2, warmup=warmup), RunFolder(tmp_path / str(warmup)))
        name = "mask_decoder.mask_tokens.weight"
        moved.append(float((model.state_dict()[name] - before[name]).abs().max()))
    assert moved[1] == pytest.approx(moved[0] / 100, rel=0.1)


def test_videos_without_an_object_stop_a_run_before_it_begins(small_config, short_run, moving_video, tmp_path):
    with pytest.raises(InputError, match="sequence disc0 has no object to train on"):
        train(seeded_model(small_config), (moving_video(objects={}),), short_run(), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_run_goes_through_its_curriculum(small_config, short_run, videos):
    stages = (Stage(0.5, 2, 0.0), Stage(0.5, 3, 1.0))
    settings = short_run(4, batch_frames=12, curriculum=stages)
    sampler = ClipSampler(Footage(videos, 80), settings, small_config)
    assert [tuple(sampler[step][0].images.shape[:2]) for step in range(4)] == [(3, 2), (3, 2), (2, 3), (2, 3)]
