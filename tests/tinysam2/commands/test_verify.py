"""`tinysam2 verify`: status, JSON and page; how a bundle is judged is tested in tests/validation/bundles."""

import json

import pytest


@pytest.fixture
def bundle(tmp_path):
    """A bundle whose manifest was changed after its digest was taken."""
    folder = tmp_path / "android"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    (folder / "manifest.sha256").write_text("0" * 64 + "  manifest.json\n")
    return folder


def test_a_changed_manifest_is_a_failed_check(run, bundle):
    result = run("verify", bundle)
    assert result.exit_code == 1, result.output
    assert "manifest.json is not what manifest.sha256 was written for" in result.stdout
    assert result.stdout.splitlines()[-1] == f"FAILED: {bundle}"


def test_the_result_is_json_on_request(run, bundle):
    found = json.loads(run("verify", bundle, "--json").stdout)
    assert found["passed"] is False
    assert found["targets"] == []
    assert found["gates"][0]["subject"] == "manifest"


def test_the_report_is_written_as_a_page(run, bundle, tmp_path):
    result = run("verify", bundle, "--page", tmp_path / "v.html")
    assert result.exit_code == 1
    assert "What failed" in (tmp_path / "v.html").read_text(encoding="utf-8")


def test_what_is_no_bundle_is_refused(run, assert_refused, tmp_path):
    assert_refused(run("verify", tmp_path), "is no bundle", "manifest.json")
    assert_refused(run("verify", tmp_path / "missing.zip"), "does not exist")


def test_a_page_in_the_bundle_is_refused(run, assert_refused, bundle):
    assert_refused(run("verify", bundle, "--page", bundle / "v.html"), "would lie in the bundle")
    assert_refused(run("verify", bundle, "--page", bundle.parent / "v.txt"), "must end in .html")


def test_a_schema_that_is_broken_is_refused(run, assert_refused, bundle):
    from tinysam2.core.manifest import digest_line

    (bundle / "manifest.sha256").write_text(digest_line(b"{}"))
    assert_refused(run("verify", bundle), "manifest.json is of version null")
