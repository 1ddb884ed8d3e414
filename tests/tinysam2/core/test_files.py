"""Outputs appear whole or not at all, and impossible destinations are refused before any work."""

import os
from pathlib import Path

import pytest

from tinysam2.core import replacing
from tinysam2.core.errors import InputError
from tinysam2.core.files import atomic_path, atomic_paths, check_output_file, check_output_folder
from tinysam2.core.leftovers import recover


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def write_file(target: Path, contents: bytes, failure=None):
    with atomic_path(target) as temporary:
        temporary.write_bytes(contents)
        if failure is not None:
            raise failure


def write_folder(target: Path, entry: str, failure=None):
    with atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / entry).touch()
        if failure is not None:
            raise failure


def test_a_file_appears_under_its_name_when_the_block_ends(tmp_path):
    target = tmp_path / "model.pte"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["model.pte"]


def test_the_temporary_path_is_a_sibling_with_the_same_suffix(tmp_path):
    with atomic_path(tmp_path / "encoder.mlpackage") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mlpackage"
        temporary.mkdir()


def test_missing_parent_folders_are_made(tmp_path):
    with atomic_path(str(tmp_path / "a" / "b" / "c.txt")) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


def test_a_folder_replaces_the_former_folder_whole(tmp_path):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")
    write_folder(target, "new")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["bundle"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_former_file_whole_and_nothing_else(tmp_path, failure):
    target = tmp_path / "model.pte"
    target.write_bytes(b"old")
    with pytest.raises(failure):
        write_file(target, b"half", failure)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["model.pte"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_former_folder_whole_and_nothing_else(tmp_path, failure):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(failure):
        write_folder(target, "half", failure)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["bundle"]


def interrupt(monkeypatch: pytest.MonkeyPatch, failing_rename: int, failure: type[BaseException]) -> None:
    """Lets one rename fail, the first being number 1."""
    rename, calls = os.replace, []

    def interrupted(source, destination):
        calls.append(source)
        if len(calls) == failing_rename:
            raise failure
        rename(source, destination)

    monkeypatch.setattr(os, "replace", interrupted)


@pytest.mark.parametrize("failing_rename", [1, 2])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_ctrl_c_between_the_renames_of_a_folder_brings_the_former_one_back(
    tmp_path, monkeypatch, failure, failing_rename
):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")
    monkeypatch.setattr(replacing, "_exchanged", lambda new, path: False)
    interrupt(monkeypatch, failing_rename, failure)
    with pytest.raises(failure):
        write_folder(target, "new")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["bundle"]


def made(target: Path, text: str) -> None:
    """Writes a file, or a folder with one."""
    if target.suffix == ".zip":
        target.write_text(text)
    else:
        target.mkdir()
        (target / "entry").write_text(text)


def texts(places: list[Path]) -> list[str | None]:
    inner = [place if place.suffix == ".zip" else place / "entry" for place in places]
    return [path.read_text() if path.exists() else None for path in inner]


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("failing_rename", range(1, 9))
def test_several_outputs_take_their_places_together_or_not_at_all(
    tmp_path, monkeypatch, failing_rename, failure, exchange
):
    """Whichever rename fails once."""
    places = [tmp_path / name for name in ("ios", "ios.zip", "android", "android.zip")]
    for place in places[:3]:
        made(place, "old")
    if not exchange:
        monkeypatch.setattr(replacing, "_exchanged", lambda new, path: False)
    interrupt(monkeypatch, failing_rename, failure)
    try:
        with atomic_paths(places) as temporaries:
            for temporary in temporaries:
                made(temporary, "new")
    except failure:
        pass
    # The first rename decides.
    assert texts(places) == (["old", "old", "old", None] if failing_rename == 1 else ["new"] * 4)
    # What a rename that failed has left of the former ones, the next command removes.
    recover(tmp_path)
    assert names(tmp_path) == sorted(place.name for place in places if place.exists())


def test_where_one_of_several_outputs_cannot_be_put_none_is(tmp_path):
    places = [tmp_path / name for name in ("ios", "ios.zip")]
    made(places[0], "old")
    places[1].mkdir()
    with (
        pytest.raises(InputError, match=r"ios\.zip: it is a folder; name a file"),
        atomic_paths(places) as temporaries,
    ):
        list(map(made, temporaries, ["new", "new"]))
    assert texts(places[:1]) == ["old"]
    assert names(tmp_path) == ["ios", "ios.zip"]


def test_several_outputs_lie_in_one_folder(tmp_path):
    apart = [tmp_path / "a", tmp_path / "b" / "c"]
    with pytest.raises(ValueError, match="must lie in one folder"), atomic_paths(apart):
        pass


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with atomic_path(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_file_never_replaces_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(InputError, match="out: it is a folder; name a file"),
        atomic_path(tmp_path / "out") as t,
    ):
        t.write_text("new")
    assert names(tmp_path) == ["out"]


def test_a_folder_never_replaces_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    with (
        pytest.raises(InputError, match="out: it is not a folder"),
        atomic_path(tmp_path / "out") as temporary,
    ):
        temporary.mkdir()
    assert (tmp_path / "out").read_text() == "mine"


def test_a_device_is_never_replaced():
    with pytest.raises(InputError, match="/dev/null: it is a device"):
        check_output_file("/dev/null")


def test_free_destinations_pass_and_nothing_is_left_behind(tmp_path):
    assert check_output_file(str(tmp_path / "a" / "b.png")) == tmp_path / "a" / "b.png"
    assert check_output_folder(tmp_path / "c" / "d") == tmp_path / "c" / "d"
    assert names(tmp_path) == []


@pytest.mark.parametrize("check", [check_output_file, check_output_folder])
def test_a_path_below_a_file_is_refused(tmp_path, check):
    (tmp_path / "file.txt").touch()
    with pytest.raises(InputError, match=r"sub: .*file\.txt is a file; name a path within a folder"):
        check(tmp_path / "file.txt" / "sub")
    with pytest.raises(InputError):
        write_file(tmp_path / "file.txt" / "sub", b"new")


@pytest.mark.parametrize("check", [check_output_file, check_output_folder])
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_place_where_the_system_lets_nobody_write_is_refused(check):
    with pytest.raises(InputError, match=r"cannot write /proc/nope: .*; name a place that can be written"):
        check("/proc/nope")


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path):
    with pytest.raises(InputError, match="too long"):
        check_output_file(tmp_path / ("x" * 300))


def test_a_folder_where_a_file_is_expected_is_refused(tmp_path):
    with pytest.raises(InputError, match="it is a folder; name a file"):
        check_output_file(tmp_path)


def test_a_file_where_a_folder_is_expected_is_refused(tmp_path):
    (tmp_path / "file.txt").touch()
    with pytest.raises(InputError, match=r"file\.txt: it is a file; name a folder"):
        check_output_folder(tmp_path / "file.txt")


def test_only_a_former_output_or_an_empty_folder_may_be_replaced_where_outputs_are_marked(tmp_path):
    home, former, empty = (tmp_path / name for name in ("home", "former", "empty"))
    for folder in (home, former, empty):
        folder.mkdir()
    (home / "photos").mkdir()
    (former / "manifest.json").touch()
    assert check_output_folder(former, former_output="manifest.json") == former
    assert check_output_folder(empty, former_output="manifest.json") == empty
    with pytest.raises(InputError, match=r"home: it is not empty and holds no manifest\.json"):
        check_output_folder(home, former_output="manifest.json")


def test_the_working_folder_and_those_above_it_are_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (".", "..", tmp_path):
        with pytest.raises(InputError, match="it is or holds the working folder"):
            check_output_folder(folder)
