"""A report's suffix says how it is written; whatever the form, it appears whole or not at all."""

import json

import pytest

from tinysam2.core.errors import InputError
from tinysam2.validation.reporting.formats import FORMATS, check_report_file, write_report


@pytest.mark.parametrize(
    ("name", "start"),
    [("r.json", "{\n"), ("r.html", "<!DOCTYPE html>"), ("r.md", "## All"), ("r.XML", "<?xml version")],
)
def test_the_suffix_chooses_the_form(tmp_path, report, name, start):
    path = check_report_file(tmp_path / "new" / name)
    write_report(path, report)
    assert path.read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize("name", ["report", "report.pdf", "html"])
def test_another_suffix_is_refused_with_those_that_there_are(tmp_path, name):
    with pytest.raises(InputError, match=r"\.json, \.html, \.md or \.xml"):
        check_report_file(tmp_path / name)


@pytest.mark.parametrize("suffix", list(FORMATS))
def test_a_form_that_fails_leaves_the_former_report(tmp_path, report, monkeypatch, suffix):
    path = tmp_path / f"report{suffix}"
    path.write_text("former")
    monkeypatch.setitem(FORMATS, suffix, lambda report, shots: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(path, report)
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [(path.name, "former")]


def test_a_value_that_is_no_number_is_never_written_as_json(tmp_path, report):
    report["targets"][0]["chain"]["min_iou"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(tmp_path / "report.json", report)
    assert list(tmp_path.iterdir()) == []


def test_the_json_form_reads_back_as_it_was(tmp_path, report):
    write_report(tmp_path / "report.json", report)
    assert json.loads((tmp_path / "report.json").read_text()) == report
