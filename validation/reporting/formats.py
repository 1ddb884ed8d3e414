"""The forms in which a report is written; a file's suffix says which."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tinysam2.core.errors import InputError
from tinysam2.core.files import check_output_file, write_text
from tinysam2.validation.reporting.gallery import Shot


def _json(report: Mapping, shots: Sequence[Shot]) -> str:
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def _html(report: Mapping, shots: Sequence[Shot]) -> str:
    from tinysam2.validation.reporting.page import render_page

    return render_page(report, shots)


def _markdown(report: Mapping, shots: Sequence[Shot]) -> str:
    from tinysam2.validation.reporting.markdown import render_markdown

    return render_markdown(report)


def _junit(report: Mapping, shots: Sequence[Shot]) -> str:
    from tinysam2.validation.reporting.junit import render_junit

    return render_junit(report)


FORMATS: Mapping[str, Callable[[Mapping, Sequence[Shot]], str]] = {
    ".json": _json,
    ".html": _html,
    ".md": _markdown,
    ".xml": _junit,
}
"""Suffix -> what writes a report so: data, page, Markdown for a pull request, JUnit XML for CI."""


def check_report_file(path: Path) -> Path:
    """The destination of a report, checked before the work for it.

    Raises InputError where its suffix names no form, or it cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"cannot tell how to write the report {path}: its name must end in {', '.join(list(FORMATS)[:-1])} "
            f"or {list(FORMATS)[-1]}"
        )
    return check_output_file(path)


def render_report(suffix: str, report: Mapping, shots: Sequence[Shot] = ()) -> str:
    """The JSON report in the form that a suffix of `FORMATS` names; shots: the page's frames."""
    return FORMATS[suffix](report, shots)


def write_report(path: Path, report: Mapping, shots: Sequence[Shot] = ()) -> None:
    """Writes the JSON report in the form that the file's suffix names, whole or not at all.

    report: as `Report.to_json` gives it. shots: frames for the page; the other forms have no pictures.
    """
    text = render_report(path.suffix.lower(), report, shots)
    write_text(path, text)
