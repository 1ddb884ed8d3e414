"""An artifact card comes back as it was written, and what cannot be used is refused in one sentence."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, replace

import pytest

from tinysam2.core.artifacts import ArtifactCard, card_path, read_card, targets_in
from tinysam2.core.config import preset
from tinysam2.core.errors import InputError
from tinysam2.core.targets import TARGETS

COREML = TARGETS["coreml"]
PROGRAMS = ("image_encoder", "memory_attention", "mask_decoder", "memory_encoder")
CARD = ArtifactCard(
    target="coreml",
    preset="nano",
    precision="fp16",
    io_dtype="float16",
    files={program: f"{program}.mlpackage" for program in PROGRAMS},
    weights="seeded weights (nano, seed 2605)",
    weights_digest="ab" * 32,
    trained=False,
    versions={"torch": "2.13.0"},
    # No package holds a file yet.
    digests={f"{program}.mlpackage": hashlib.sha256().hexdigest() for program in PROGRAMS},
)


@pytest.fixture
def folder(tmp_path):
    """A folder with a card and the files that it names."""
    for name in CARD.files.values():
        (tmp_path / name).mkdir()
    CARD.write(tmp_path)
    return tmp_path


@pytest.fixture
def change(folder):
    """Writes the card anew with some of its fields changed, or (None) without them."""

    def write(**fields: object) -> None:
        card = {**asdict(CARD), **fields}
        card_path(folder, "coreml").write_text(json.dumps({k: v for k, v in card.items() if v is not None}))

    return write


def refusal(folder, target=COREML) -> str:
    with pytest.raises(InputError) as refusal:
        read_card(folder, target)
    return str(refusal.value)


def test_a_card_comes_back_as_it_was_written(folder):
    card = read_card(folder, COREML)
    assert card == CARD
    assert card.config is preset("nano")
    assert card.target_entry is COREML


def test_a_card_lies_beside_its_artifacts_under_its_targets_name(folder):
    assert card_path(folder, "coreml") == folder / "coreml.json"
    assert (folder / "coreml.json").is_file()


def test_a_card_can_be_read_by_people_and_ends_with_a_newline(folder):
    text = (folder / "coreml.json").read_text()
    assert text.startswith('{\n  "target": "coreml",\n')
    assert text.endswith("}\n")


def test_programs_may_share_a_file(folder):
    shared = replace(CARD, files=dict.fromkeys(PROGRAMS, "mask_decoder.mlpackage")).sealed(folder)
    shared.write(folder)
    assert read_card(folder, COREML) == shared


def test_a_missing_card_is_refused_with_the_command_that_makes_one(tmp_path):
    assert refusal(tmp_path) == (
        f"{tmp_path} holds no Core ML artifacts (coreml.json is missing); "
        f"make them with: tinysam2 convert coreml --output {tmp_path}"
    )


@pytest.mark.parametrize(
    "contents",
    [b"", b"{", b"[]", b"7", b"null", b'"text"', b"{}", b"\xff\xfe\x00", b'{"target": "coreml"}'],
    ids=["empty", "cut short", "list", "number", "null", "text", "no fields", "binary", "one field"],
)
def test_a_card_that_cannot_be_read_is_refused(folder, contents):
    (folder / "coreml.json").write_bytes(contents)
    assert refusal(folder).endswith("coreml.json is not an artifact card that this version can read; convert again")


@pytest.mark.parametrize(
    "fields",
    [{"preset": "huge"}, {"preset": ["nano"]}, {"files": None}, {"trained": None}, {"more": 1}],
    ids=["unknown preset", "preset is a list", "files missing", "trained missing", "surplus"],
)
def test_a_card_with_fields_of_another_kind_is_refused(folder, change, fields):
    change(**fields)
    assert "is not an artifact card that this version can read" in refusal(folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "tflite"},
        {"precision": "int4"},
        {"files": {"image_encoder": "image_encoder.mlpackage"}},
        {"files": {**CARD.files, "surplus": "mask_decoder.mlpackage"}},
        {"files": list(CARD.files)},
        {"files": 3},
    ],
    ids=["another target's", "precision", "program missing", "program surplus", "files a list", "files a number"],
)
def test_a_card_of_something_else_is_refused(folder, change, fields):
    change(**fields)
    assert refusal(folder).endswith("coreml.json does not describe Core ML artifacts of nano; convert again")


def test_a_missing_artifact_is_named(folder):
    (folder / "mask_decoder.mlpackage").rmdir()
    assert refusal(folder) == (
        f"{folder / 'mask_decoder.mlpackage'} is missing, though the card beside it names it; convert again"
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/hosts",
        "../a.mlpackage",
        "a/b.mlpackage",
        "a\\b.mlpackage",
        "C:a.mlpackage",
        "a\0b",
        "\ud800",
    ],
)
def test_a_file_name_that_leads_elsewhere_is_refused(folder, change, name):
    change(files={**CARD.files, "mask_decoder": name})
    assert refusal(folder).endswith(f"coreml.json names the file {name!r}, which cannot lie beside it; convert again")


@pytest.mark.parametrize("within", [".", "image_encoder.mlpackage"], ids=["as the package", "in the package"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_that_leads_out_is_refused(folder, tmp_path_factory, within, relative):
    outside = tmp_path_factory.mktemp("outside")
    link = folder / within / "mask_decoder.mlpackage"
    if link.is_dir():
        link.rmdir()
    link.symlink_to(os.path.relpath(outside, link.parent) if relative else outside)
    assert "mask_decoder.mlpackage is a link that leads out of " in refusal(folder)


def test_a_link_to_a_file_of_the_same_package_is_taken(folder):
    package = folder / "mask_decoder.mlpackage"
    (package / "weights.bin").write_bytes(b"weights")
    (package / "link").symlink_to("weights.bin")
    CARD.sealed(folder).write(folder)
    read_card(folder, COREML)


def test_a_link_to_itself_is_refused(folder):
    (folder / "mask_decoder.mlpackage" / "loop").symlink_to("loop")
    assert "convert again" in refusal(folder)


@pytest.fixture
def sealed(folder):
    """The folder with contents in its packages, and a card that records their digests."""
    for name in CARD.files.values():
        (folder / name / "Data").mkdir()
        (folder / name / "Data" / "weights.bin").write_bytes(b"weights of " + name.encode())
    CARD.sealed(folder).write(folder)
    read_card(folder, COREML)
    return folder


@pytest.mark.parametrize(
    "change_package",
    [
        lambda data: (data / "weights.bin").write_bytes(b"weights"),
        lambda data: (data / "weights.bin").write_bytes(bytes(100)),
        lambda data: (data / "weights.bin").unlink(),
        lambda data: (data / "more.bin").touch(),
        lambda data: (data / "weights.bin").rename(data / "renamed.bin"),
        lambda data: shutil.rmtree(data),
    ],
    ids=["cut short", "others", "removed", "added", "renamed", "emptied"],
)
def test_a_package_that_is_not_what_was_converted_is_refused(sealed, change_package):
    package = sealed / "mask_decoder.mlpackage"
    change_package(package / "Data")
    assert refusal(sealed) == f"{package} is not the file that was converted (sha256 differs); convert again"


def test_a_files_digest_is_its_sha256(tmp_path):
    (tmp_path / "all.pte").write_bytes(b"program")
    card = replace(CARD, files=dict.fromkeys(PROGRAMS, "all.pte")).sealed(tmp_path)
    assert card.digests == {"all.pte": hashlib.sha256(b"program").hexdigest()}


def test_a_damaged_artifact_never_reaches_its_runtime(sealed, monkeypatch):
    from tinysam2.core.targets import Target
    from tinysam2.mobile_runtime.loading import load_artifacts

    monkeypatch.setattr(Target, "load_backend", lambda target: pytest.fail("the runtime was loaded"))
    (sealed / "mask_decoder.mlpackage" / "Data" / "weights.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"sha256 differs"):
        load_artifacts(COREML, sealed)


@pytest.mark.parametrize("digests", [None, {}, [], {"mask_decoder.mlpackage": "0" * 64}])
def test_a_card_without_the_digests_of_its_files_is_refused(folder, change, digests):
    change(digests=digests)
    assert refusal(folder).endswith(
        "coreml.json records no sha256 of its files, as former versions did not; convert again"
    )


def test_the_targets_of_a_folder_are_those_with_a_card_in_the_registrys_order(folder):
    replace(CARD, target="tflite", precision="fp32").write(folder)
    assert [target.name for target in targets_in(folder)] == ["coreml", "tflite"]


def test_a_folder_without_cards_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no artifacts \(none of coreml\.json, executorch\.json, tflite\.json\)"):
        targets_in(tmp_path)


@pytest.mark.parametrize("name", ["none", "coreml.json"])
def test_what_is_no_folder_is_refused(folder, name):
    with pytest.raises(InputError, match="is not a folder of artifacts; make one with: tinysam2 convert"):
        targets_in(folder / name)
