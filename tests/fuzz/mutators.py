"""Files with one field changed, for formats where changed bytes seldom are anything that a reader goes into."""

import contextlib
import copy
import json
import random
from typing import Any

INTEGERS = (0, 1, -1, 7, 2**31 - 1, -(2**31))
UNSIGNED = (0, 1, 7, 2**31, 2**32 - 1)
FLOATS = (0.0, -1.0, 1e30, float("inf"), float("nan"))
WORDS = ("", "x", "..", "relu", "\N{SNOWMAN}", "a" * 300)


def mutated_header(content: bytes, seed: int) -> bytes:
    """A safetensors file with one entry of its header changed; what has no header is left as it is."""
    chance = random.Random(seed)
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        name = chance.choice(sorted(header))
    except (ValueError, IndexError, TypeError):
        return content
    entry = header[name]
    if chance.random() < 0.2 or not isinstance(entry, dict):
        del header[name]
    elif chance.random() < 0.2:
        header[chance.choice(WORDS)] = copy.deepcopy(entry)
    elif entry:
        field = chance.choice(sorted(entry))
        entry[field] = _other_value(entry[field], chance)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _other_value(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list) and value and chance.random() < 0.8:
        changed = list(value)
        changed[chance.randrange(len(changed))] = chance.choice(INTEGERS)
        return changed
    return chance.choice(("F64", "F32", "F16", "BF16", "I8", "I64", "U8", "BOOL", [], {}, None, *INTEGERS, *WORDS))


def mutated_model(content: bytes, seed: int) -> bytes:
    """A serialized Core ML model with one field of one message set, cleared, doubled or taken out; what is no model
    is taken as far as it is one. The seed decides which."""
    from coremltools.proto import Model_pb2

    chance = random.Random(seed)
    model = Model_pb2.Model()
    with contextlib.suppress(Exception):
        model.ParseFromString(content)
    _change(chance.choice(_messages(model)), chance)
    return model.SerializeToString()


def _messages(message: Any) -> list[Any]:
    """A message and all within it."""
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if _is_map(field):
            values = [value[key] for key in value] if field.message_type.fields_by_name["value"].message_type else []
        else:
            values = list(value) if field.is_repeated else [value]
        for inner in values:
            found += _messages(inner)
    return found


def _change(message: Any, chance: random.Random) -> None:
    fields = list(message.DESCRIPTOR.fields)
    # Fields that are there already lead further than those that no reader expects.
    present = [field for field, _ in message.ListFields()]
    field = chance.choice(present if present and chance.random() < 0.7 else fields or present or [None])
    if field is None:
        return
    if chance.random() < 0.2:
        message.ClearField(field.name)
    elif _is_map(field):
        _change_map(getattr(message, field.name), chance)
    elif field.is_repeated:
        _change_list(getattr(message, field.name), field, chance)
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _scalar(field, chance))


def _change_map(values: Any, chance: random.Random) -> None:
    keys = list(values)
    if keys:
        del values[chance.choice(keys)]


def _change_list(values: Any, field: Any, chance: random.Random) -> None:
    if len(values) and chance.random() < 0.5:
        del values[chance.randrange(len(values))]
    elif field.message_type is None:
        values.append(_scalar(field, chance))
    elif len(values):
        values.append(values[chance.randrange(len(values))])
    else:
        values.add()


def _scalar(field: Any, chance: random.Random) -> Any:
    if field.cpp_type == field.CPPTYPE_ENUM:
        return chance.choice([value.number for value in field.enum_type.values])
    if field.cpp_type == field.CPPTYPE_STRING:
        return chance.randbytes(4) if field.type == field.TYPE_BYTES else chance.choice(WORDS)
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return chance.choice(FLOATS)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return chance.choice(UNSIGNED)
    return chance.choice(INTEGERS)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
