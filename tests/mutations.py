"""Hypothesis strategies of what a damaged or foreign file may hold."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tinysam2.core.errors import InputError

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 2**31, 2**64, 10**400, -(10**400)])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "a" * 300, "\0", "\ud800", "../x"])
)
JSON_VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
DEEP = ["[" * 90 + "]" * 90, "[" * 970 + "]" * 970, "[" * 100_000, '{"a":' * 100_000]
"""Nested deeper than a reader can print, than it can parse, and without an end."""


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, within: int | None = None) -> bytes:
    """A file cut short, with changed bits, with bytes put over others, or random bytes; within: where it changes."""
    end = min(within or len(whole), len(whole))
    kind = draw(st.sampled_from(["cut", "bits", "bytes", "random"]))
    if kind == "random":
        return draw(st.binary(max_size=64))
    if kind == "cut":
        return whole[: draw(st.integers(0, end - 1))]
    changed = bytearray(whole)
    if kind == "bits":
        for place in draw(st.lists(st.integers(0, 8 * end - 1), min_size=1, max_size=4)):
            changed[place // 8] ^= 1 << place % 8
    else:
        patch, place = draw(st.binary(min_size=1, max_size=16)), draw(st.integers(0, end - 1))
        changed[place : place + len(patch)] = patch
    return bytes(changed)


@st.composite
def changed_json(draw: st.DrawFn, whole: Any) -> str:
    """JSON text of any value, or of a right one in which one value is replaced or left out."""
    value = json.loads(json.dumps(whole))
    inner, key = None, None
    node = value
    while isinstance(node, dict | list) and node and draw(st.integers(0, 9)):
        inner, key = node, draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node = node[key]
    if inner is None:
        return json.dumps(draw(JSON_VALUES))
    if draw(st.booleans()):
        inner[key] = draw(JSON_VALUES)
    else:
        del inner[key]
    return json.dumps(value)


def read_or_refuse(read: Callable[[Path], Any], path: Path, content: bytes | str) -> Any:
    """What a reader makes of such a file; None: it refused it with one line that is not empty."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        return read(path)
    except InputError as error:
        message = str(error)
    assert message.strip()
    assert "\n" not in message
    return None
