"""The published schema describes the report: every field, no other, and what may be in it."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from tinysam2.validation.reporting.markdown import render_markdown
from tinysam2.validation.reporting.page import render_page
from tinysam2.validation.reporting.report import REPORT_VERSION

SCHEMA = json.loads((files("tinysam2.validation.reporting") / "report.schema.json").read_text())


ASKED_FOR = {"located"}
"""Fields of a report that are there only when they were asked for."""


def closed(schema: object) -> object:
    """The schema with no room for a field that it does not describe."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        parts["additionalProperties"] = False
    return parts


def objects(schema: object) -> Iterator[dict]:
    """Every part of a schema that describes an object's fields."""
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)
    elif isinstance(schema, dict):
        if "type" in schema and "properties" in schema:
            yield schema
        for part in schema.values():
            yield from objects(part)


def faults(report: dict, schema: dict = SCHEMA) -> list[str]:
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(report)]


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_its_version_is_the_reports():
    assert SCHEMA["properties"]["report_version"]["const"] == REPORT_VERSION


def test_a_report_fits_it_and_has_no_field_that_it_does_not_describe(report, failing_report, report_of_several):
    assert faults(report, closed(SCHEMA)) == []
    assert faults(failing_report, closed(SCHEMA)) == []
    assert faults(report_of_several, closed(SCHEMA)) == []


def test_every_field_that_it_describes_is_required():
    described = list(objects(SCHEMA))
    assert len(described) > 10
    for part in described:
        assert set(part["required"]) == set(part["properties"]) - ASKED_FOR


def test_a_reader_may_meet_fields_of_a_later_release(report):
    report["targets"][0]["later"] = 1
    assert faults(report) == []
    assert faults(report, closed(SCHEMA)) == ["$.targets[0]"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["report_version"], 2),
        (["clips", 0, "frames"], 0),
        (["clips", 0, "states", "empty", "calls"], -1),
        (["states", "empty", "made"], None),
        (["targets", 0, "programs", 0, "sqnr_db"], 300),
        (["targets", 0, "programs", 0, "same_tokens"], 1.5),
        (["targets", 0, "memory", "bank", "known"], "guessed"),
        (["targets", 0, "memory", "weights", "bytes"], -1),
        (["targets", 0, "chain", "clips", 0, "iou_by_frame", 0], "1"),
        (["targets", 0, "chain", "clips", 0, "score", "JF"], 69.8),
        (["targets", 0, "chain", "sqnr_by_state", "empty"], 300),
        (["targets", 0, "gates", 0, "at_least"], None),
        (["targets", 1, "layouts", "image_encoder", "outputs", 0, "contiguous"], 1),
        (["environment", "cores"], 0),
    ],
)
def test_a_value_that_cannot_be_is_refused(report, path, value):
    broken = copy.deepcopy(report)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert len(faults(broken)) == 1


def test_memory_that_a_target_does_not_tell_is_null_and_stands_in_every_form(findings):
    *others, last = findings.targets
    lacking = replace(last, memory=None, measured=findings.float_measured, not_available=("static memory",))
    report = replace(findings, targets=(*others, lacking)).to_json()
    assert report["targets"][-1]["memory"] is None
    Draft202012Validator(closed(SCHEMA)).validate(json.loads(json.dumps(report)))
    [row] = [line for line in render_markdown(report).splitlines() if line.startswith("| tflite fp32")]
    assert "| not available |" in row
    page = render_page(report, [])
    assert '<tr><td>tflite</td><td colspan="5">not available</td></tr>' in page
    assert "<dt>not available</dt><dd>static memory</dd>" in page
