"""A zip from anywhere: what could harm is refused with one sentence, and nothing is written."""

import stat
import warnings
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinysam2.core.errors import InputError
from tinysam2.validation.bundles import archive
from tinysam2.validation.bundles.archive import unpack
from tinysam2.validation.bundles.opening import opened_bundle
from tinysam2.validation.bundles.verify import verify_bundle


@pytest.fixture
def made(tmp_path):
    """made(entries): a zip of names or `ZipInfo`s with their contents."""

    def make(*entries):
        with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
            warnings.simplefilter("ignore")
            for name, data in entries:
                file.writestr(name, data)
        return tmp_path / "b.zip"

    return make


@pytest.fixture
def target(tmp_path):
    (tmp_path / "to").mkdir()
    yield tmp_path / "to"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "to"]


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("placeholder")
    # As an attacker writes it: zipfile itself would tidy the name.
    info.filename, info.create_system, info.external_attr = name, 3, mode << 16
    return info


def refused(path, target, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        unpack(path, target)
    assert "\n" not in str(raised.value)
    assert list(target.iterdir()) == []


def test_one_folder_is_unpacked(made, target):
    assert unpack(made(("b/a", "1"), ("b/c/d", "2")), target) == target / "b"
    assert (target / "b/c/d").read_text() == "2"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil", "may lead out of its folder"),
        ("b/../../evil", "may lead out of its folder"),
        ("b/./a", "may lead out of its folder"),
        ("b//a", "may lead out of its folder"),
        ("/etc/evil", "absolute name"),
        ("C:/evil", "absolute name"),
        ("b/..\\evil", "systems read differently"),
        ("b/a:stream", "systems read differently"),
        ("b/a\nb", "systems read differently"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(made, target, name, words):
    refused(made(("b/ok", "1"), (entry(name), "2")), target, words)


@pytest.mark.parametrize(
    ("mode", "words"), [(stat.S_IFLNK | 0o777, "is a link"), (stat.S_IFIFO | 0o644, "a device or a pipe")]
)
def test_only_files_and_folders_are_taken(made, target, mode, words):
    refused(made(("b/ok", "1"), (entry("b/l", mode), "/etc/passwd")), target, words)


@pytest.mark.parametrize("other", ["b/model.bin", "b/MODEL.bin", "b/mode\u0301l.bin"])
def test_a_name_that_is_there_twice_is_refused_whatever_its_case_or_accents_form(made, target, other):
    first = "b/mod\u00e9l.bin" if "\u0301" in other else "b/model.bin"
    refused(made((first, "1"), (other, "2")), target, "one name twice")


def test_a_file_that_is_also_a_folder_is_refused(made, target):
    refused(made(("b/a", "1"), ("b/a/c", "2")), target, "which is a file")


def test_more_than_one_folder_is_refused(made, target):
    refused(made(("b/a", "1"), ("c/a", "2")), target, "holds one folder")


def test_a_file_at_the_top_is_refused(made, target):
    refused(made(("a", "1")), target, "holds one folder")


def test_an_empty_zip_is_refused(made, target):
    refused(made(), target, "empty zip")


def test_a_bomb_is_refused_by_its_ratio(made, target):
    info = entry("b/zeros")
    info.compress_type = zipfile.ZIP_DEFLATED
    refused(made((info, bytes(4 << 20))), target, "times its size")


def test_a_bomb_is_refused_by_its_size(made, target, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 10)
    refused(made(("b/a", "12345678901")), target, "unpacks to")


def test_too_many_entries_are_refused(made, target, monkeypatch):
    monkeypatch.setattr(archive, "MOST_ENTRIES", 2)
    refused(made(*((f"b/{n}", "") for n in range(3))), target, "at most 2")


def test_a_size_that_is_a_lie_is_found(made, target):
    path = made(("b/a", "x" * 5000))
    data = path.read_bytes()
    path.write_bytes(data.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(InputError, match="damaged zip"):
        unpack(path, target)


def test_an_encrypted_entry_is_refused(made, target):
    path = made(("b/a", "1"))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    refused(path, target, "encrypted")


def test_an_unusual_compression_is_refused(made, target):
    info = entry("b/a")
    info.compress_type = zipfile.ZIP_LZMA
    refused(made((info, "1")), target, "unusual compression")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all" * 40])
def test_what_is_no_zip_is_refused(tmp_path, data):
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(InputError, match="damaged zip"), opened_bundle(tmp_path / "b.zip"):
        pass


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_of_a_zip_is_found_or_changes_nothing_that_an_app_gets(zipped, sound, tmp_path, data):
    content = bytearray(zipped.read_bytes())
    # Half of them at the end, where the central directory lies.
    position = data.draw(st.integers(0, len(content) - 1) | st.integers(len(content) - 900, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    (tmp_path / "b.zip").write_bytes(content)
    try:
        with opened_bundle(tmp_path / "b.zip") as folder:
            if verify_bundle(folder, "b.zip").passed:
                files = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
                assert files == {p.relative_to(sound): p.read_bytes() for p in sound.rglob("*") if p.is_file()}
    except InputError:
        pass
