"""Dataclasses go to JSON and come back as they were, or are refused."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from tinysam2.core.json_data import from_data, to_data


@dataclass(frozen=True)
class Inner:
    share: float
    data: bytes = b""


@dataclass(frozen=True)
class Outer:
    kind: Literal["planned", "stored"]
    count: int | None
    pair: tuple[str, float]
    inner: tuple[Inner, ...]
    named: Mapping[str, Inner]
    plain: dict[str, str]


OUTER = Outer("stored", None, ("a", 1.5), (Inner(0.25, b"\x00\xff"), Inner(math.inf)), {"x": Inner(1)}, {"k": "v"})


def test_values_come_back_as_they_were():
    assert from_data(Outer, json.loads(json.dumps(to_data(OUTER)))) == OUTER


@pytest.mark.parametrize(
    "change",
    [{"kind": "guessed"}, {"count": "three"}, {"pair": ["a", "b"]}, {"inner": [{"share": None}]}],
)
def test_data_of_another_kind_is_refused(change):
    with pytest.raises(TypeError):
        from_data(Outer, to_data(OUTER) | change)
