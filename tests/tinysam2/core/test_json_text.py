"""JSON of others is plain values of bounded depth and finite numbers, or a ValueError."""

import json

import pytest
from hypothesis import given, settings

from tests.mutations import DEEP, JSON_VALUES
from tinysam2.core.json_text import DEEPEST, parse_json


@settings(max_examples=40, deadline=None, derandomize=True)
@given(JSON_VALUES)
def test_what_json_holds_comes_back(value):
    text = json.dumps(value)
    try:
        assert parse_json(text) == value
    except ValueError:
        assert "NaN" in text or "Infinity" in text


def test_lists_may_be_nested_as_deep_as_stated_and_no_deeper():
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))


@pytest.mark.parametrize("text", [*DEEP, "NaN", "[-Infinity]", "1e400", "9" * 5000, "", "{", '"'])
def test_other_text_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
