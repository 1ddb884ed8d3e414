"""The page for outsiders says what is true: its list of operations is the registry, and its example runs."""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tinysam2.mobile_runtime.mil import MILProgram
from tinysam2.mobile_runtime.mil.operations import KERNELS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def page():
    return (ROOT / "docs" / "mil.md").read_text(encoding="utf-8")


def test_the_page_lists_the_operations_of_the_registry_by_theme(page):
    themes = defaultdict(list)
    for name, kernel in KERNELS.items():
        themes[kernel.function.__module__.rpartition(".")[2]].append(name)
    wanted = {f"- {theme}: " + ", ".join(f"`{name}`" for name in sorted(names)) for theme, names in themes.items()}
    section = page.partition("## Operations\n")[2].partition("\n## ")[0]
    assert {line for line in section.splitlines() if line.startswith("- ")} == wanted
    assert section.split()[0] == str(len(KERNELS))


def test_what_the_page_says_is_not_known_is_not(page):
    limits = page.partition("- Not known, and refused when loading")[2].partition("\n- ")[0]
    assert set(re.findall(r"`(\w+)`", limits)).isdisjoint(KERNELS)


def test_the_page_names_every_public_member(page):
    public = {name for name in vars(MILProgram) if not name.startswith("_")}
    assert public <= set(re.findall(r"\w+", page.partition("| call | gives |")[2].partition("**Storage.**")[0]))


def test_the_pages_example_runs_and_differs_by_fp16s_error_only(page, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{example}"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert float(printed.split()[-1]) < 2e-3
