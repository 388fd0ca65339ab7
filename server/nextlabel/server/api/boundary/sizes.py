"""How long the texts of a request may be: one limit for every string of every request, so that all can be read back.

What holds items or answers by the thousand is left to who reads it: there an entry that is too long is refused for
itself, not the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits

_BY_ENTRY = frozenset(
    f"nextlabel.v1.{name}" for name in ("ItemBatch", "ReplayLabelBatch", "SubmittedAnnotation", "PredictInput")
)
_BY_ENTRY_FIELDS = frozenset({"texts"})
# Text that people and programs write at length; every other string is a name or an id.
_LONG = {
    "guidelines": "guidelines_bytes",
    "text": "guidelines_bytes",
    "description": "class_description_bytes",
    "template": "template_bytes",
    "base_url": "address_bytes",
    "page_token": "address_bytes",
}
_SHOWN_TO_PEOPLE = frozenset({"annotator", "annotators"})
_STRUCT = "google.protobuf.Struct"


def check_sizes(request: Message, limits: Limits) -> None:
    """Raise InvalidArgument, naming the field, when a string is longer than its limit or a list has too many."""
    _check(request, "", limits)


def _check(message: Message, path: str, limits: Limits) -> None:
    for field, value in message.ListFields():
        where = f"{path}{field.name}"
        if field.message_type is not None:
            if not field.message_type.GetOptions().map_entry:
                _check_messages(field, value, where, limits)
        elif field.type == FieldDescriptor.TYPE_STRING and field.name not in _BY_ENTRY_FIELDS:
            _check_strings(field, value, where, limits)


def _check_messages(field: Any, value: Any, where: str, limits: Limits) -> None:
    name = field.message_type.full_name
    if name in _BY_ENTRY:
        return
    entries = [(f"{where}[{i}]", entry) for i, entry in enumerate(value)] if field.is_repeated else [(where, value)]
    for at, entry in entries:
        if name == _STRUCT:
            if entry.ByteSize() > limits.parameters_bytes:
                raise InvalidArgument.field(at, f"at most {limits.parameters_bytes} bytes, got {entry.ByteSize()}")
        else:
            _check(entry, f"{at}.", limits)


def _check_strings(field: Any, value: Any, where: str, limits: Limits) -> None:
    texts: Iterable[tuple[str, str]] = [(where, value)]
    if field.is_repeated:
        if len(value) > limits.listed_names:
            raise InvalidArgument.field(where, f"at most {limits.listed_names} entries, got {len(value)}")
        texts = ((f"{where}[{i}]", text) for i, text in enumerate(value))
    longest = getattr(limits, _LONG.get(field.name, "name_bytes"))
    for at, text in texts:
        if len(text) * 4 > longest and (size := len(text.encode())) > longest:
            raise InvalidArgument.field(at, f"at most {longest} bytes of UTF-8, got {size}")
        if field.name in _SHOWN_TO_PEOPLE and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
            raise InvalidArgument.field(at, "must be without control characters, such as line breaks")
