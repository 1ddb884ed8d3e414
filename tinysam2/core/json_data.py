"""Dataclasses as values that JSON has, and back by their annotations."""

import base64
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def to_data(value: Any) -> Any:
    """A value of dataclasses, mappings with names as keys, tuples, bytes and plain values, as JSON's types."""
    if is_dataclass(value):
        return {field.name: to_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: to_data(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return [to_data(entry) for entry in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def from_data(kind: Any, data: Any) -> Any:
    """The value of an annotated kind that `to_data` gave. Raises TypeError where the data is not of that kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: from_data(hints[name], entry) for name, entry in data.items()})
    if origin in (Union, types.UnionType):
        [other] = [part for part in inner if part is not type(None)]
        return None if data is None else from_data(other, data)
    if origin is tuple:
        kinds = [inner[0]] * len(data) if inner[1:] == (...,) else inner
        return tuple(from_data(part, entry) for part, entry in zip(kinds, data, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: from_data(inner[1], entry) for name, entry in data.items()}
    if kind is bytes:
        return base64.b64decode(data)
    plain = int | float if kind is float else kind
    if not (data in inner if origin is Literal else isinstance(data, plain)):
        raise TypeError(f"{data!r} is not of {kind}")
    return data
