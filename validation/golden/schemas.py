"""The published JSON Schemas of a bundle's golden index and of what a device's replay writes, and checking by them."""

import json
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json


def golden_schema() -> dict:
    """The JSON Schema (draft 2020-12) of golden/index.json."""
    return _schema("golden")


def results_schema() -> dict:
    """The JSON Schema (draft 2020-12) of a replay's results."""
    return _schema("results")


def read_json(path: Path, schema: dict, cure: str) -> dict:
    """A JSON file that is as a schema says.

    cure: what would help, for the message. Raises InputError, naming the first field at fault, where it cannot be read
    or is not.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {cure}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {cure}") from error
    fault = best_match(Draft202012Validator(schema).iter_errors(value))
    if fault is not None:
        field = fault.json_path.removeprefix("$").lstrip(".") or "it"
        raise InputError(f"{path} breaks its schema at {field}: {fault.message[:200]}; {cure}")
    return value


def _schema(name: str) -> dict:
    return json.loads(Path(__file__).with_name(f"{name}.schema.json").read_text(encoding="utf-8"))
