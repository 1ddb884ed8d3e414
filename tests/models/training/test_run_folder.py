"""A run's folder belongs to one run, and what lies in it is whole."""

import json

import pytest
import torch

from tinysam2.core.errors import InputError
from tinysam2.models.training.run_folder import LOG, SETTINGS, STATE, RunFolder, described


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_a_run_begins_in_a_new_or_an_empty_folder_and_says_what_it_is(folder, short_run):
    settings = short_run()
    folder.open(described(settings, preset="nano"))
    told = json.loads(folder.file(SETTINGS).read_text())
    assert told["preset"] == "nano"
    assert told["settings"]["batch_frames"] == settings.batch_frames
    assert told["settings"]["curriculum"] == [{"share": 1.0, "frames": 3, "real": 1.0}]


def test_the_same_run_goes_on_in_its_folder(folder, short_run):
    folder.open(described(short_run(), preset="nano"))
    before = folder.file(SETTINGS).read_bytes()
    folder.open(described(short_run(), preset="nano"))
    assert folder.file(SETTINGS).read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"seed": 3}, "its settings.seed is 0, not 3"),
        ({"learning_rate": 0.5}, "its settings.learning_rate is 0.0008, not 0.5"),
        ({"frames": 2}, r'its settings.curriculum is \[{.*"frames": 3.*}\], not \[{.*"frames": 2.*}\]'),
        ({"preset": "tinysam2"}, 'its preset is "nano", not "tinysam2"'),
        ({"teacher": "t.safetensors"}, 'its teacher is null, not "t.safetensors"'),
    ],
)
def test_another_run_is_refused_and_what_differs_is_named(folder, short_run, changed, difference):
    folder.open(described(short_run(batch_frames=12), preset="nano"))
    before = folder.file(SETTINGS).read_bytes()
    more = {"preset": "nano", **{key: changed.pop(key) for key in ("preset", "teacher") if key in changed}}
    with pytest.raises(InputError, match=rf"holds another run: {difference}; name another folder, or the same sett"):
        folder.open(described(short_run(**{"batch_frames": 12, **changed}), **more))
    assert folder.file(SETTINGS).read_bytes() == before


def test_a_folder_of_somebody_elses_is_refused(folder, short_run):
    folder.path.mkdir()
    folder.file("holiday.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"run is not empty and holds no run\.json; name a new or an empty folder"):
        folder.open(described(short_run()))
    assert [file.name for file in folder.path.iterdir()] == ["holiday.jpg"]


def test_damaged_settings_are_refused(folder, short_run):
    folder.path.mkdir()
    folder.file(SETTINGS).write_text('{"settings": {')
    with pytest.raises(InputError, match=r"run\.json is damaged; remove .*run or name another folder"):
        folder.open(described(short_run()))


def test_before_anything_was_kept_there_is_no_state(folder):
    assert folder.load_state() is None


def test_a_state_comes_back_as_it_was_kept(folder):
    state = {"step": 3, "rows": [{"loss": 0.5}], "model": {"w": torch.arange(3.0)}}
    folder.save_state(state)
    found = folder.load_state()
    assert torch.equal(found["model"].pop("w"), torch.arange(3.0))
    assert found == {"step": 3, "rows": [{"loss": 0.5}], "model": {}}


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_damaged_state_is_refused(folder, keep):
    folder.save_state({"model": {"w": torch.arange(1000.0)}})
    whole = folder.file(STATE).read_bytes()
    folder.file(STATE).write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match=r"state\.pt is damaged \(.*\); remove .*run to begin anew"):
        folder.load_state()


def test_a_state_that_would_run_code_is_refused(folder):
    folder.path.mkdir()
    torch.save({"step": RunFolder(folder.path)}, folder.file(STATE))
    with pytest.raises(InputError, match=r"state\.pt is damaged"):
        folder.load_state()


def test_a_state_that_cannot_be_written_leaves_the_former_one(folder):
    folder.save_state({"step": 1})
    with pytest.raises(Exception, match="pickle"):
        folder.save_state({"step": lambda: 2})
    assert folder.load_state() == {"step": 1}
    assert [file.name for file in folder.path.iterdir()] == [STATE]


def test_the_log_is_a_table_of_all_rows_with_a_column_for_each_name(folder):
    folder.write_log([{"step": 20, "loss": 0.5}])
    folder.write_log([{"step": 20, "loss": 0.5}, {"step": 40, "loss": 0.25, "held_out_j": 0.75}])
    assert folder.file(LOG).read_text() == "step,loss,held_out_j\n20,0.5,\n40,0.25,0.75\n"
