"""JSON from files that others wrote: what every reader of it may rely on."""

import json
import math
from typing import Any

DEEPEST = 64
"""Levels of lists and objects; printing or checking a value that is nested much deeper exhausts Python's stack."""


def parse_json(text: str) -> Any:
    """The value of JSON text.

    Raises ValueError where it is not JSON (NaN and Infinity are not), is nested deeper than `DEEPEST`, or holds a
    number that float64 cannot hold.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


_TOO_DEEP = f"it is nested deeper than {DEEPEST} levels"


def _children(value: Any) -> list:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"it holds the number {digits[:20]}, which is too large")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which JSON does not have")
