"""The cache gives back what was kept, whole, or nothing; it stays within its bound and never stops a command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinysam2.core import cache as cache_module
from tinysam2.core.cache import Cache, cache_folder

KEY, OTHER, THIRD = (digit * 64 for digit in "abc")


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """The warnings that are logged."""
    sentences: list[str] = []
    monkeypatch.setattr(cache_module._log, "warning", lambda text, *values: sentences.append(text % values))
    return sentences


@pytest.fixture
def made(tmp_path) -> dict[str, Path]:
    """A file and a folder to be kept."""
    folder = tmp_path / "made"
    (folder / "package" / "Data").mkdir(parents=True)
    (folder / "package" / "Data" / "weights").write_bytes(bytes(range(200)))
    (folder / "model.pte").write_bytes(b"model")
    return {"model.pte": folder / "model.pte", "package": folder / "package"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WHOLE = {"model.pte": b"model", "package/Data/weights": bytes(range(200))}


def test_what_was_kept_is_given_back(tmp_path, made, told):
    cache = Cache(tmp_path / "cache")
    assert not cache.fetch(KEY, tmp_path / "before")
    cache.keep(KEY, made)
    assert cache.fetch(KEY, tmp_path / "after")
    assert contents(tmp_path / "after") == WHOLE
    assert not cache.fetch(OTHER, tmp_path / "other")
    assert not (tmp_path / "before").exists()
    assert not (tmp_path / "other").exists()
    assert told == []


def test_any_changed_missing_or_added_file_is_found_and_made_again(tmp_path, made, told):
    cache = Cache(tmp_path / "cache")
    cache.keep(KEY, made)
    files = [path for path in (cache.folder / KEY).rglob("*") if path.is_file()]
    assert len(files) == 3
    for damage in (*files, "missing", "added"):
        cache.keep(KEY, made)
        if damage == "missing":
            (cache.folder / KEY / "content" / "model.pte").unlink()
        elif damage == "added":
            (cache.folder / KEY / "content" / "more").touch()
        else:
            changed = bytearray(damage.read_bytes())
            changed[-1] ^= 1
            damage.write_bytes(changed)
        told.clear()
        assert not cache.fetch(KEY, tmp_path / "place"), damage
        assert not (tmp_path / "place").exists()
        assert [sentence for sentence in told if "is damaged (sha256 differs); it is made again" in sentence] == told
        assert len(told) == 1
        assert not (cache.folder / KEY).exists()


def test_beyond_the_bound_what_was_used_longest_ago_is_dropped(tmp_path, made):
    cache = Cache(tmp_path / "cache", limit=700)
    for age, key in ((300, KEY), (200, OTHER)):
        cache.keep(key, made)
        os.utime(cache.folder / key, (age, age))
    assert cache.fetch(KEY, tmp_path / "used")
    cache.keep(THIRD, made)
    assert sorted(os.listdir(cache.folder)) == [KEY, THIRD]
    assert cache.fetch(KEY, tmp_path / "still")


def test_a_cache_that_cannot_be_written_is_told_and_stops_nothing(tmp_path, made, told):
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache")
    cache.keep(KEY, made)
    assert not cache.fetch(KEY, tmp_path / "place")
    [sentence] = told
    assert sentence.startswith(f"nothing is kept in the cache {cache.folder}: cannot write ")


def test_what_a_killed_process_left_is_no_entry_and_is_cleaned_up(tmp_path, made):
    cache = Cache(tmp_path / "cache")
    half = cache.folder / ".0123456789ab.partial" / "content"
    half.mkdir(parents=True)
    (half / "model.pte").write_bytes(b"mod")
    cache.keep(KEY, made)
    assert os.listdir(cache.folder) == [KEY]


def test_two_processes_share_a_cache(tmp_path, made):
    """Each keeps the same entries again and again, and takes them whole or not at all."""
    code = f"""
import sys
from pathlib import Path
from tinysam2.core.cache import Cache
cache, made, mine = Cache(Path({str(tmp_path / "cache")!r}), limit=700), Path({str(tmp_path / "made")!r}), sys.argv[1]
for turn in range(20):
    for key in ("a" * 64, "b" * 64, "c" * 64):
        cache.keep(key, {{name: made / name for name in ("model.pte", "package")}})
        place = Path({str(tmp_path)!r}) / f"{{mine}}-{{turn}}-{{key[0]}}"
        if cache.fetch(key, place):
            assert (place / "model.pte").read_bytes() == b"model"
            assert (place / "package" / "Data" / "weights").read_bytes() == bytes(range(200))
        else:
            assert not place.exists()
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("one", "two")]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("one-*"))) > 0


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"TINYSAM2_CACHE": "/scratch/mine", "XDG_CACHE_HOME": "/xdg"}, "/scratch/mine"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/tinysam2"),
        ({}, str(Path.home() / ".cache/tinysam2")),
    ],
)
def test_where_the_cache_lies(environment, folder):
    assert cache_folder(environment) == Path(folder)
