"""Functions in processes of their own: what they say, what they raise, and how they end."""

import pytest

from tests.mobile_runtime import stage_functions
from tinysam2.core.errors import InputError
from tinysam2.mobile_runtime import stages
from tinysam2.mobile_runtime.stages import Stage


@pytest.fixture
def stage():
    with Stage("json") as started:
        yield started


def test_a_stage_gets_its_arguments_and_passes_items_on(stage):
    stage.begin(stage_functions.echo, 1, "two")
    assert stage.receive() == (1, "two")
    stage.send([3])
    assert stage.receive() == [3]


def test_what_a_stage_refuses_is_raised_here_in_its_own_words(stage):
    stage.begin(stage_functions.refuse, "the frame is damaged; replace it")
    with pytest.raises(InputError, match=r"^the frame is damaged; replace it$"):
        stage.receive()


def test_a_sender_learns_why_the_stage_has_ended(stage):
    stage.begin(stage_functions.refuse, "the disk is full")
    stage._process.join()
    with pytest.raises(InputError, match="the disk is full"):
        stage.send(bytes(2**20))


def test_an_error_that_cannot_be_pickled_keeps_its_words(stage):
    stage.begin(stage_functions.fail_for_good)
    with pytest.raises(RuntimeError, match="LocalError: as it is"):
        stage.receive()


def test_a_stage_that_vanishes_is_noticed(stage):
    stage.begin(stage_functions.vanish)
    with pytest.raises(RuntimeError, match="ended without an answer, with status 7"):
        stage.receive()


def test_a_stage_ends_with_its_block_and_cleans_up(tmp_path):
    with Stage() as stage:
        stage.begin(stage_functions.idle, tmp_path / "log")
        assert stage.receive() == "began"
    assert (tmp_path / "log").read_text() == "ended"
    assert not stage._process.is_alive()


def test_a_stage_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(stages, "SECONDS_TO_END", 0.1)
    with Stage() as stage:
        stage.begin(stage_functions.sleep)
    assert not stage._process.is_alive()
