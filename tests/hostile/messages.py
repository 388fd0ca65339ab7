"""Makes requests that no honest client would send: hostile values in every field, and mutated bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b\r\n\x1b[31m",
    "../../../../etc/passwd",
    "C:\\windows\\system32",
    "-",
    "a" * 300,
    "x" * 40_000,
    "\u202e\u2066\ufeff\U0010ffff",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}{% for x in y %}%s%n",
    "'; DROP TABLE projects; --",
    "nul",
    "9" * 400,
    "e\u0301" * 50,
    "default",
    "margin",
    "random",
    "known",
    "red",
    "item-1",
)
WHOLE = (0, 1, -1, 2, 7, 1_000, 10_001, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, 10**9)
BROKEN = (0.0, -0.0, 1.0, -1.0, 0.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
NAMES = ("project", "name")
_DEPTH = 6

Scalar = Callable[[random.Random], Any]

_SCALARS: dict[int, Scalar] = {
    FieldDescriptor.CPPTYPE_BOOL: lambda rng: rng.random() < 0.5,
    FieldDescriptor.CPPTYPE_DOUBLE: lambda rng: rng.choice(BROKEN),
    FieldDescriptor.CPPTYPE_FLOAT: lambda rng: rng.choice(BROKEN[:5] + BROKEN[8:]),
    FieldDescriptor.CPPTYPE_ENUM: lambda rng: rng.choice((0, 1, 2, 3, 99, -1, 2**31 - 1)),
    FieldDescriptor.CPPTYPE_INT32: lambda rng: _within(rng, -(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: lambda rng: _within(rng, 0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: lambda rng: _within(rng, -(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: lambda rng: _within(rng, 0, 2**64 - 1),
}


def hostile_message(descriptor: Descriptor, project: str, rng: random.Random) -> Message:
    """Return a message with hostile values in a random part of its fields; mostly it names an existing project."""
    message = message_factory.GetMessageClass(descriptor)()
    _fill(message, project, rng, _DEPTH)
    return message


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with some flipped, cut out, repeated or put in."""
    mutable = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(mutable) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(mutable):
            mutable[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del mutable[at : at + rng.randint(1, 16)]
        elif kind == 2:
            mutable[at:at] = rng.randbytes(rng.randint(1, 16))
        elif kind == 3:
            mutable[at:at] = mutable[at : at + 64] * rng.randint(1, 8)
        else:
            # A length or a number that never ends.
            mutable[at:at] = b"\xff" * rng.randint(1, 12)
    return bytes(mutable)


def deep_struct_bytes(depth: int) -> bytes:
    """Return the bytes of a google.protobuf.Struct with lists in lists to a depth."""
    value = b"\x11" + b"\x00" * 8
    for _ in range(depth):
        value = b"\x0a" + _varint(len(value)) + value
        value = b"\x32" + _varint(len(value)) + value
    entry = b"\x0a\x01a\x12" + _varint(len(value)) + value
    return b"\x0a" + _varint(len(entry)) + entry


def _fill(message: Message, project: str, rng: random.Random, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if rng.random() < (0.35 if field.name not in NAMES else 0.05):
            continue
        if field.is_repeated:
            _fill_repeated(message, field, project, rng, depth)
        elif field.message_type is not None:
            if depth:
                _fill_message(getattr(message, field.name), project, rng, depth - 1)
        else:
            setattr(message, field.name, _scalar(field, project, rng))


def _fill_message(message: Message, project: str, rng: random.Random, depth: int) -> None:
    message.SetInParent()
    if message.DESCRIPTOR.full_name == "google.protobuf.Struct":
        message.MergeFromString(deep_struct_bytes(rng.choice((0, 1, 8, 30))))
        return
    _fill(message, project, rng, depth)


def _fill_repeated(message: Message, field: Any, project: str, rng: random.Random, depth: int) -> None:
    values = getattr(message, field.name)
    count = rng.choice((0, 1, 1, 2, 3, 40))
    if field.message_type is None:
        values.extend(_scalar(field, project, rng) for _ in range(count))
    elif field.message_type.GetOptions().map_entry or not depth:
        return
    else:
        for _ in range(min(count, 3)):
            _fill_message(values.add(), project, rng, depth - 1)


def _scalar(field: Any, project: str, rng: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return project if field.name in NAMES and rng.random() < 0.7 else rng.choice(TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 1, 7, 16, 4_096)))
    return _SCALARS[field.cpp_type](rng)


def _within(rng: random.Random, least: int, most: int) -> int:
    return max(least, min(most, rng.choice(WHOLE)))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
