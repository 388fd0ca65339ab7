"""Makes requests that a server may well accept: of defaults only, or with texts as long as may be stored."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from nextlabel.server.values.limits import Limits
from tests.crash.workloads.history import CLASSES
from tests.hostile.messages import NAMES

ITEMS = 200
LARGE_ITEMS = 30
"""How many items of the pool have an id and a text as long as may be."""

_LIMITS = Limits()
_LONGEST = (
    _LIMITS.name_bytes,
    _LIMITS.class_name_bytes,
    _LIMITS.class_description_bytes,
    _LIMITS.address_bytes,
    _LIMITS.rationale_bytes,
    _LIMITS.item_text_bytes,
    _LIMITS.template_bytes,
    _LIMITS.guidelines_bytes,
)
_CHARACTERS = ("x", "é", "語", "🙂", '"', "\n")
_DEPTH = 4


def item_ids() -> list[str]:
    """The ids of the items of the pool, the first of them as long as may be."""
    return [f"{i:0{_LIMITS.item_id_bytes}}" for i in range(LARGE_ITEMS)] + [
        f"item-{i}" for i in range(LARGE_ITEMS, ITEMS)
    ]


def longest_text(item_id: str) -> str:
    """The text of an item as long as may be, in characters of one byte."""
    return item_id.ljust(_LIMITS.item_text_bytes, "t")


def zero_message(descriptor: Descriptor, project: str, rng: random.Random) -> Message:
    """Return a message with nothing in it but defaults, some said and some left out; mostly it names the project."""
    message = message_factory.GetMessageClass(descriptor)()
    _fill(message, project, rng, _DEPTH, _zero)
    return message


def stored_message(descriptor: Descriptor, project: str, rng: random.Random) -> Message:
    """Return a message with names that exist, small numbers, and texts of just the size that may be stored."""
    message = message_factory.GetMessageClass(descriptor)()
    _fill(message, project, rng, _DEPTH, lambda field: _stored(field, rng))
    return message


def _fill(message: Message, project: str, rng: random.Random, depth: int, scalar: Callable[[Any], Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.name in NAMES and field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, project if rng.random() < 0.95 else "")
        elif rng.random() < (0.7 if field.containing_oneof else 0.3):
            continue
        elif field.message_type is not None:
            if depth and not (field.is_repeated and field.message_type.GetOptions().map_entry):
                inner = getattr(message, field.name)
                inner = inner.add() if field.is_repeated else inner
                inner.SetInParent()
                _fill(inner, project, rng, depth - 1, scalar)
        elif field.is_repeated:
            getattr(message, field.name).append(scalar(field))
        else:
            setattr(message, field.name, scalar(field))


def _zero(field: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b""
    return "" if field.type == FieldDescriptor.TYPE_STRING else 0


def _stored(field: Any, rng: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _known(field.name, rng) if rng.random() < 0.6 else _long(rng)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(16)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return rng.choice((0.0, 0.5, 1.0))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice(field.enum_type.values).number
    return 1_000 if field.name == "page_size" else rng.choice((1, 1, 2, 10, 1_000))


def _known(name: str, rng: random.Random) -> str:
    """Return what a field of that name may well hold in the project."""
    if name in ("item_id", "item_ids", "id", "ids"):
        return rng.choice(item_ids())
    if name in ("label", "labels", "classes"):
        return rng.choice(CLASSES)
    if name == "request_id":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    if name.startswith("annotator"):
        return rng.choice(("ann", "bob", "é" * (_LIMITS.name_bytes // 2)))
    return "random" if name == "strategy" else ""


def _long(rng: random.Random) -> str:
    """Return a text that just fits into some limit, or just does not."""
    character = rng.choice(_CHARACTERS)
    size = rng.choice(_LONGEST) // len(character.encode())
    return character * (size + rng.choice((-1, 0, 0, 0, 1)))
