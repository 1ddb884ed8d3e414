"""A bundle's manifest: its version, its published JSON Schema, and reading it with every field checked."""

import hashlib
import json
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.json_text import parse_json

MANIFEST_VERSION = 2
"""Raised when a field of the manifest changes its meaning or goes."""

MANIFEST = "manifest.json"
SCHEMA = "manifest.schema.json"
DIGEST = "manifest.sha256"
"""The manifest, its schema and its sha256 (one line, as `sha256sum` writes it), by their names in a bundle."""

REPORT = "report.json"
GOLDEN_INDEX = "golden/index.json"
"""Paths in a bundle that the manifest names: the validation's report, and the index of the golden vectors."""

SCHEMA_FILE = Path(__file__).with_name(SCHEMA)


def manifest_schema() -> dict:
    """The JSON Schema (draft 2020-12) of the manifest."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def digest_line(manifest: bytes) -> str:
    """What `DIGEST` holds of a manifest's bytes."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n"


def read_manifest(path: str | Path) -> dict:
    """The manifest in a file, checked against the schema.

    Raises InputError where the file is missing, is not JSON, is of another version, or breaks the schema.
    """
    path = Path(path)
    try:
        manifest = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"manifest {path} cannot be read ({error.strerror}); name a bundle's {MANIFEST}") from error
    except ValueError as error:
        raise InputError(f"manifest {path} is not JSON ({error}); ship the bundle again") from error
    check_manifest(manifest, path)
    return manifest


def check_manifest(manifest: object, path: str | Path) -> None:
    """Raises InputError, naming the first field at fault, unless a manifest is as the schema says. path: its name."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    version = manifest.get("manifest_version") if isinstance(manifest, dict) else None
    if isinstance(manifest, dict) and version != MANIFEST_VERSION:
        raise InputError(
            f"manifest {path} is of version {json.dumps(version)}; this tinysam2 reads version {MANIFEST_VERSION}, "
            "so ship the bundle again"
        )
    fault = best_match(Draft202012Validator(manifest_schema()).iter_errors(manifest))
    if fault is not None:
        field = fault.json_path.removeprefix("$").lstrip(".") or "it"
        raise InputError(
            f"manifest {path} breaks its schema: {field}: {_shortened(fault.message)}; ship the bundle again"
        )


def _shortened(message: str, most: int = 200) -> str:
    return message if len(message) <= most else f"{message[:most]} ..."
