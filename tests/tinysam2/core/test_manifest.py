"""Reading a manifest: what breaks its schema is refused with the field's name."""

import json

import pytest
from jsonschema import Draft202012Validator

from tinysam2.core.errors import InputError
from tinysam2.core.manifest import manifest_schema, read_manifest


@pytest.fixture
def refused(tmp_path):
    """Writes text as a manifest; reading it must be refused with these words in one sentence."""

    def check(text: str | bytes, *words: str) -> None:
        path = tmp_path / "manifest.json"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(InputError) as refusal:
            read_manifest(path)
        assert "\n" not in str(refusal.value)
        assert all(word in str(refusal.value) for word in ("manifest.json", *words))

    return check


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(manifest_schema())


def test_a_missing_manifest(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe", "[" * 100_000])
def test_what_is_not_json(refused, text):
    refused(text, "is not JSON")


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_another_version(refused, version):
    refused(json.dumps({"manifest_version": version}), "version", "reads version 2")


def test_a_list(refused):
    refused("[]", "breaks its schema", "object")


def test_a_missing_field(refused):
    refused('{"manifest_version": 2}', "breaks its schema", "required property")


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../b", "a/./b", "a\\b", "a//b", "a/", ""])
def test_a_path_that_leads_out_of_the_bundle_breaks_the_schema(path):
    schema = {"$defs": manifest_schema()["$defs"], "$ref": "#/$defs/path"}
    assert not Draft202012Validator(schema).is_valid(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", ".hidden", "a/..b", "mask_decoder.mlpackage/Data/x.bin"])
def test_a_path_within_the_bundle_fits_the_schema(path):
    schema = {"$defs": manifest_schema()["$defs"], "$ref": "#/$defs/path"}
    assert Draft202012Validator(schema).is_valid(path)
