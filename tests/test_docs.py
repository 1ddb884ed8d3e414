"""The documentation: its links lead somewhere, the files that it names exist, and the commands accept its examples."""

import functools
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tinysam2.cli import commands

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "models/weights/README.md")
)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FILE = re.compile(
    r"(?:\.ci|benchmarks|converters|docs|examples|hosts|mobile_runtime|models|tests|tinysam2|validation)/[\w./-]*\w\.\w+"
)

OUR_COMMANDS = re.compile(r"(?:^|/|-m )tinysam2 |-m benchmarks\b")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """A page without its fenced code."""
    return FENCED.sub("", text_of(page))


@functools.cache
def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for heading in HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        again = sum(re.sub(r"-\d+$", "", anchor) == slug for anchor in found)
        found.append(f"{slug}-{again}" if again else slug)
    return set(found)


def broken_links(page: str) -> Iterator[str]:
    for link in LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors_of(file):
            yield f"{link}: no such heading"


def fenced_commands(page: str) -> Iterator[str]:
    """Our command lines in shell code, continued lines joined."""
    for language, code in FENCED.findall(text_of(page)):
        if language in ("sh", "bash", "shell", "console"):
            yield from filter(OUR_COMMANDS.search, code.replace("\\\n", " ").splitlines())


def inline_commands(page: str) -> Iterator[str]:
    """Our command lines within sentences and tables; these may be parts of one."""
    yield from filter(OUR_COMMANDS.search, INLINE.findall(prose_of(page)))


def refused(line: str, whole: bool) -> str | None:
    """What is wrong with a command line, or None; one that is not `whole` may lack what the command requires."""
    words = [word for word in shlex.split(line, comments=True) if word != "..."]
    program = next(word for word in words if word.rpartition("/")[2].partition(".")[0] in ("tinysam2", "benchmarks"))
    arguments = words[words.index(program) + 1 :]
    if program.startswith("benchmarks"):
        return _refused_by_benchmark(program, arguments, whole)
    name, *arguments = arguments
    if name.startswith("-"):
        return None if name in ("-h", "--help", "--version") else f"no option {name}"
    command = commands.get_command(click.Context(commands), name)
    return _refused_by(command, arguments, whole) if command else f"no command {name}"


def _refused_by_benchmark(module: str, arguments: list[str], whole: bool) -> str | None:
    if re.search(r"[^\w.]|[A-Z]", module):
        return None
    if importlib.util.find_spec(module) is None:
        return f"no module {module}"
    runnable = f"{module}.__main__" if importlib.util.find_spec(module).submodule_search_locations else module
    try:
        command = importlib.import_module(runnable).main
    except ModuleNotFoundError as missing:
        if missing.name.partition(".")[0] in ("benchmarks", "tinysam2"):
            raise
        return None  # It needs a converter that is not installed.
    if isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    return _refused_by(command, arguments, whole)


def _refused_by(command: click.Command, arguments: list[str], whole: bool) -> str | None:
    """What click's parser says of arguments; their values are not looked at."""
    context = click.Context(command, info_name=command.name)
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(arguments))
        for parameter in command.params:
            value = values.get(parameter.name)
            # What was not given, or given without its value, stands there as a mark of click's own.
            given = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
            if whole and parameter.required and not given:
                return f"{parameter.get_error_hint(context)} is missing"
    except click.UsageError as error:
        return error.format_message()
    return f"unexpected arguments {rest}" if rest else None


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    names = [name for code in INLINE.findall(text_of(page)) for name in code.split() if FILE.fullmatch(name)]
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_command_lines_are_taken(page):
    lines = [*((line, True) for line in fenced_commands(page)), *((line, False) for line in inline_commands(page))]
    wrong = {line: reason for line, whole in lines if (reason := refused(line, whole))}
    assert wrong == {}


def test_the_commands_of_the_documentation_are_found():
    assert len([line for page in PAGES for line in fenced_commands(page)]) > 20


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("tinysam2 fly clip", "no command fly"),
        ("tinysam2 --speed", "no option --speed"),
        (".venv/bin/tinysam2 track clip --colour red", "No such option '--colour'"),
        ("tinysam2 track --output o --backend torch", "'CLIP' is missing"),
        ("tinysam2 presets twice  # and a remark", "unexpected arguments"),
        ("torchrun --standalone -m tinysam2 evaluate --data d --colours", "No such option '--colours'"),
        ("python -m benchmarks.weather --output o", "no module benchmarks.weather"),
        ("python -m benchmarks fly", "no command fly"),
        ("python -m benchmarks frame --speed", "No such option '--speed'"),
    ],
)
def test_a_wrong_command_line_is_found(line, reason):
    assert reason in refused(line, whole=True)


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("tinysam2 track your.mp4 --backend torch --point 640,360 --output tracked", True),
        ("tinysam2 validate artifacts --locate", True),
        ("tinysam2 convert TARGET", False),
        ("tinysam2 track CLIP", False),
        ("tinysam2 train ...", False),
    ],
)
def test_a_right_command_line_is_taken(line, whole):
    assert refused(line, whole) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](gone.md)", ["gone.md: no such file"]),
        ("[a](page.md#parts)", ["page.md#parts: no such heading"]),
        ("[a](page.md#two-words) [b](https://example.org)", []),
        ("```\n[a](gone.md)\n```\n", []),
    ],
)
def test_a_broken_link_is_found(tmp_path, monkeypatch, text, found):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("# Two `words`\n\n```sh\n# parts\n```\n")
    (tmp_path / "other.md").write_text(text)
    assert list(broken_links("other.md")) == found
