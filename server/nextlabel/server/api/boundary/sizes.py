"""How long the texts and lists of a request may be: one limit for every field, so that all can be read back.

What holds items or answers by the thousand is left to who reads it: there an entry that is too long is refused for
itself, not the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import MOST_CRITIQUES
from nextlabel.server.values.limits import Limits

BY_ENTRY = frozenset(
    f"nextlabel.v1.{name}" for name in ("Item", "ItemColumns", "ReplayLabel", "SubmittedAnnotation", "EmbeddingMatrix")
)
# Limits of strings by field, or by the name of the field; every other string is a name or an id.
_BYTES: dict[str, str | int] = {
    "CreateTokenRequest.annotators": "class_name_bytes",
    "CreateTokenRequest.name": "class_name_bytes",
    "EmbedRequest.texts": "item_text_bytes",
    "Item.id": "item_id_bytes",
    "Item.text": "item_text_bytes",
    "ItemColumns.ids": "item_id_bytes",
    "ItemColumns.texts": "item_text_bytes",
    "ItemIdList.item_ids": "item_id_bytes",
    "JudgeLabelsRequest.rule": 1_000,
    "LabelClass.description": "class_description_bytes",
    "LabelClass.examples": "class_example_bytes",
    "LabelClass.name": "class_name_bytes",
    "LeaseItemsRequest.annotator": "class_name_bytes",
    "ListFilterHitsRequest.rule": 1_000,
    "MultiLabel.labels": "class_name_bytes",
    "Project.name": 63,
    "ReplayLabelsHeader.label_set": "class_name_bytes",
    "RemoveFilterRequest.name": 63,
    "SetFilterRequest.name": 63,
    "SetFilterRequest.rule": 1_000,
    "SingleLabel.label": "class_name_bytes",
    "SubmitAnnotationsRequest.annotator": "class_name_bytes",
    "TextCritique.critique": "feedback_bytes",
    "TextCritique.text": "item_text_bytes",
    "TextList.texts": "item_text_bytes",
    "TextPair.a": "item_text_bytes",
    "TextPair.b": "item_text_bytes",
    "TextResponse.text": "item_text_bytes",
    "base_url": "address_bytes",
    "feedback": "feedback_bytes",
    "guidelines": "guidelines_bytes",
    "item_id": "item_id_bytes",
    "item_ids": "item_id_bytes",
    "page_token": "address_bytes",
    "rationale": "rationale_bytes",
    "template": "template_bytes",
    "text": "guidelines_bytes",
}
# Limits of lists by field; every other list is one of names.
_ENTRIES: dict[str, str | int] = {
    "CreateTokenRequest.annotators": 100,
    "DeleteItemsRequest.item_ids": "batch_items",
    "EmbedRequest.texts": "batch_items",
    "ItemBatch.items": "batch_items",
    "ItemColumns.ids": "batch_items",
    "ItemColumns.texts": "batch_items",
    "ItemIdList.item_ids": "predict_items",
    "ItemScope.item_ids": 10_000,
    "KeepItemsRequest.item_ids": "batch_items",
    "LabelClass.examples": "class_examples",
    "LabelSpace.classes": "classes",
    "MultiLabel.labels": "classes",
    "QuoteRoutesRequest.annotators": 4,
    "RenderLearningCurveRequest.runs": 50,
    "ReplayLabelBatch.labels": 10_000,
    "RouteAnnotator.members": 4,
    "SubmitAnnotationsRequest.annotations": "lease_items",
    "SubmittedAnnotation.critiques": MOST_CRITIQUES,
    "SynthesizeRequest.attributes": 20,
    "SynthesizeRequest.labels": 5,
    "SynthesizeRequest.metadata": 5,
    "TextList.texts": "batch_items",
}
_SHOWN_TO_PEOPLE = frozenset({"annotator", "annotators"})
_STRUCT = "google.protobuf.Struct"


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a field holds: bytes of UTF-8 in each string, entries in a list; None where there is no such limit."""

    bytes: int | None
    entries: int | None


def bound(field: FieldDescriptor, limits: Limits) -> Bound:
    """Return the limits of a field of a request."""
    holder = field.containing_type
    name = f"{holder.name}.{field.name}" if holder else field.name
    size = None
    if field.type == FieldDescriptor.TYPE_STRING:
        size = _limit(_BYTES.get(name) or _BYTES.get(field.name, "name_bytes"), limits)
    elif field.message_type is not None and field.message_type.full_name == _STRUCT:
        size = limits.item_metadata_bytes if name == "Item.metadata" else limits.parameters_bytes
    return Bound(size, _limit(_ENTRIES.get(name, "listed_names"), limits) if field.is_repeated else None)


def check_sizes(request: Message, limits: Limits) -> None:
    """Raise InvalidArgument, naming the field, when a string is longer than its limit or a list has too many."""
    _check(request, "", limits, texts=True)


def _limit(known: str | int, limits: Limits) -> int:
    return known if isinstance(known, int) else int(getattr(limits, known))


def _check(message: Message, path: str, limits: Limits, *, texts: bool) -> None:
    for field, value in message.ListFields():
        where = f"{path}{field.name}"
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            continue
        allowed = bound(field, limits)
        if allowed.entries is not None and len(value) > allowed.entries:
            raise InvalidArgument.field(where, f"at most {allowed.entries} entries, got {len(value)}")
        if inner is not None:
            _check_messages(field, value, where, allowed, limits)
        elif texts and field.type == FieldDescriptor.TYPE_STRING:
            _check_strings(field, value, where, allowed.bytes)


def _check_messages(field: Any, value: Any, where: str, allowed: Bound, limits: Limits) -> None:
    name = field.message_type.full_name
    if name in BY_ENTRY:
        if not field.is_repeated:
            _check(value, f"{where}.", limits, texts=False)
        return
    entries = [(f"{where}[{i}]", entry) for i, entry in enumerate(value)] if field.is_repeated else [(where, value)]
    for at, entry in entries:
        if name == _STRUCT:
            if allowed.bytes is not None and (size := entry.ByteSize()) > allowed.bytes:
                raise InvalidArgument.field(at, f"at most {allowed.bytes} bytes, got {size}")
        else:
            _check(entry, f"{at}.", limits, texts=True)


def _check_strings(field: Any, value: Any, where: str, longest: int | None) -> None:
    texts: Iterable[tuple[str, str]] = [(where, value)]
    if field.is_repeated:
        texts = ((f"{where}[{i}]", text) for i, text in enumerate(value))
    for at, text in texts:
        if longest is not None and len(text) * 4 > longest and (size := len(text.encode())) > longest:
            raise InvalidArgument.field(at, f"at most {longest} bytes of UTF-8, got {size}")
        if field.name in _SHOWN_TO_PEOPLE and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
            raise InvalidArgument.field(at, "must be without control characters, such as line breaks")
