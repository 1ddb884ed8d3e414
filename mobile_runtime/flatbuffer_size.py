"""Whether the tables of a flatbuffer can be read into objects at all: a damaged one may seem to hold billions."""

from functools import cache
from typing import Any

MOST_TABLES = 1_000_000
"""As flatbuffers' own verifier has it; nano's artifacts hold fewer than 10,000."""


def check_size(root: Any) -> None:
    """Visits every table below a root, as the generated accessors of its schema give them.

    Raises ValueError where there are more than `MOST_TABLES`, one that two refer to counted twice, and whatever the
    accessors raise where an offset leads out of the file. Tables of unions are not looked into: those of the schemas
    that are read here hold no vectors of tables.
    """
    waiting, seen = [root], 1
    while waiting:
        table = waiting.pop()
        kind: Any = type(table)
        for name in _vectors(kind):
            length = getattr(table, f"{name}Length")()
            element = getattr(table, name)
            if not length or not _is_table(element(0)):
                continue
            seen += length
            if seen > MOST_TABLES:
                raise ValueError(f"it seems to hold more than {MOST_TABLES} tables")
            waiting += [entry for entry in map(element, range(length)) if entry is not None]
        inner = [value for name in _singles(kind) if _is_table(value := getattr(table, name)())]
        seen += len(inner)
        waiting += inner


def _is_table(value: object) -> bool:
    return hasattr(value, "_tab")


@cache
def _vectors(kind: Any) -> tuple[str, ...]:
    """The accessors that take an index."""
    names = (name.removesuffix("Length") for name in vars(kind) if name.endswith("Length"))
    return tuple(name for name in names if callable(getattr(kind, name, None)))


@cache
def _singles(kind: Any) -> tuple[str, ...]:
    """The accessors without arguments, those of vectors left out."""
    return tuple(
        name
        for name, value in vars(kind).items()
        if name[0].isupper()
        and name not in _vectors(kind)
        and not name.endswith(("Length", "IsNone", "AsNumpy"))
        and getattr(getattr(value, "__code__", None), "co_argcount", 0) == 1
    )
