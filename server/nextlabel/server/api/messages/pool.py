"""Between messages and items: batches to take in, stored items to show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format

from nextlabel.server.api.messages.labeling.answers import body_of, written_answer
from nextlabel.server.api.messages.values import beginning, json_of, matrix_of
from nextlabel.server.domain.pool.incoming import IncomingItems, check_shape
from nextlabel.server.domain.pool.ingest_group import Receipt
from nextlabel.server.domain.pool.item_errors import ItemError, ItemFault, ItemProblem
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pairs import RESPONSES, TextPair, with_pair
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import pool_service_pb2 as pb

_SPLITS = {
    pool_pb2.SPLIT_UNSPECIFIED: Split.POOL,
    pool_pb2.SPLIT_POOL: Split.POOL,
    pool_pb2.SPLIT_HOLDOUT: Split.HOLDOUT,
    pool_pb2.SPLIT_GOLD: Split.GOLD,
}
_FAULTS = {fault: pb.ItemErrorReason.Value(f"ITEM_ERROR_REASON_{fault.name}") for fault in ItemFault}
SPLIT_MESSAGES = {
    Split.POOL: pool_pb2.SPLIT_POOL,
    Split.HOLDOUT: pool_pb2.SPLIT_HOLDOUT,
    Split.GOLD: pool_pb2.SPLIT_GOLD,
    Split.SHADOWED: pool_pb2.SPLIT_POOL,
    Split.UNPAIRED: pool_pb2.SPLIT_POOL,
}


def split_of(split: pool_pb2.Split.ValueType, field: str) -> Split:
    """Return a split; UNSPECIFIED is POOL."""
    if split not in _SPLITS:
        raise InvalidArgument.field(field, f"{split} is no split; use POOL, HOLDOUT or GOLD")
    return _SPLITS[split]


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """The items of a batch that could be read, their places in the batch, and what was wrong with the others."""

    incoming: IncomingItems
    places: list[int]
    unreadable: list[ItemError]

    def response(self, receipt: Receipt) -> pb.AddItemsResponse:
        """Return the acknowledgement of the whole batch."""
        errors = [*self.unreadable, *(self._placed(error) for error in receipt.errors)]
        return pb.AddItemsResponse(
            sequence=receipt.sequence,
            accepted=receipt.accepted,
            duplicates=receipt.duplicates,
            errors=[
                pb.ItemError(
                    index=error.index,
                    item_id=beginning(error.item_id, 256),
                    reason=_FAULTS[error.problem.fault],
                    message=error.message,
                )
                for error in sorted(errors, key=lambda error: error.index)
            ],
        )

    def _placed(self, error: ItemError) -> ItemError:
        """Return an error with the place of its item in the batch as the client sent it."""
        return replace(error, index=self.places[error.index])


def decode_batch(batch: pb.ItemBatch, project: Project, limits: Limits) -> DecodedBatch:
    """Return the columns of a batch.

    Raises:
        InvalidArgument: something concerns the whole batch: its size, or the shape of the embeddings. Found here, it
            ends the stream before anything of the batch or after it is queued.
    """
    n = _checked_size(batch, limits)
    matrix = matrix_of(batch.embeddings, "batch.embeddings") if batch.HasField("embeddings") else None
    if matrix is not None:
        check_shape(matrix.shape, n, project)
    if matrix is None and n and not project.embedding_model:
        raise InvalidArgument.field("batch.embeddings", "this project takes items with their embeddings only")
    if batch.HasField("columns"):
        plain = IncomingItems(
            list(batch.columns.ids), list(batch.columns.texts), [""] * n, [Split.POOL] * n, [""] * n, matrix
        )
        return DecodedBatch(plain, list(range(n)), [])
    return _decode_items(batch.items, matrix, project, limits)


def _checked_size(batch: pb.ItemBatch, limits: Limits) -> int:
    """Return the number of items."""
    n = len(batch.items)
    if batch.HasField("columns"):
        if n:
            raise InvalidArgument.field("batch.columns", "give items one by one or in columns, not both in one batch")
        n = len(batch.columns.ids)
        if len(batch.columns.texts) != n:
            raise InvalidArgument.field(
                "batch.columns.texts", f"{len(batch.columns.texts)} texts for {n} ids; one for each is needed"
            )
    if n > limits.batch_items:
        raise InvalidArgument.field("batch.items", f"at most {limits.batch_items} items, got {n}")
    return n


def _decode_items(
    items: Sequence[pool_pb2.Item], matrix: npt.NDArray[np.floating] | None, project: Project, limits: Limits
) -> DecodedBatch:
    ids, texts, metadata, splits, labels = [], [], [], [], []
    places: list[int] = []
    unreadable: list[ItemError] = []
    for place, item in enumerate(items):
        try:
            # The common case costs no call: plain pool items carry neither metadata nor a split or reference.
            extra = _extra(item, project, limits) if len(item.ListFields()) > 2 or not item.text else _PLAIN
        except _UnreadableError as error:
            unreadable.append(ItemError(place, item.id, error.problem))
            continue
        places.append(place)
        ids.append(item.id)
        texts.append(item.text)
        metadata.append(extra[0])
        splits.append(extra[1])
        labels.append(extra[2])
    if matrix is not None and unreadable:
        matrix = matrix[places]
    return DecodedBatch(IncomingItems(ids, texts, metadata, splits, labels, matrix), places, unreadable)


_PLAIN = ("", Split.POOL, "")


class _UnreadableError(ValueError):
    """An item whose message does not say what the server can take."""

    def __init__(self, fault: ItemFault, field: str, text: str) -> None:
        self.problem = ItemProblem(fault, field, text)
        super().__init__(text)

    @classmethod
    def of(cls, fault: ItemFault, error: InvalidArgument) -> _UnreadableError:
        """The first violation of an error about one field of the item."""
        return cls(fault, error.violations[0].field, error.violations[0].description)


def _extra(item: pool_pb2.Item, project: Project, limits: Limits) -> tuple[str, Split, str]:
    """Return the metadata as it is kept, the split and the reference answer of an item as it is written."""
    try:
        split = split_of(item.split, "split")
    except InvalidArgument as error:
        raise _UnreadableError.of(ItemFault.REFERENCE_INVALID, error) from error
    return _kept(item, project, limits), split, _reference(item, project) if item.HasField("reference") else ""


def _reference(item: pool_pb2.Item, project: Project) -> str:
    kind = task_type(project.annotation_type)
    try:
        body = body_of(item.reference, "reference")
    except InvalidArgument as error:
        raise _UnreadableError.of(ItemFault.REFERENCE_INVALID, error) from error
    text = kind.written(kind.completed(body, project.classes)) if isinstance(body, kind.body) else None
    if text is None:
        wanted = f"this project takes reference answers of type {project.annotation_type.shown}"
        raise _UnreadableError(ItemFault.REFERENCE_INVALID, "reference", wanted)
    return text


def _kept(item: pool_pb2.Item, project: Project, limits: Limits) -> str:
    """Return the metadata of an item as JSON text, with its pair; two responses in the metadata are one, too."""
    values = _metadata(item, limits) if item.HasField("metadata") else {}
    pair = TextPair(item.pair.a, item.pair.b) if item.HasField("pair") else None
    if pair is None and task_type(project.annotation_type).pairs:
        a, b = (values.get(name) for name in RESPONSES)
        if isinstance(a, str) and isinstance(b, str):
            pair = TextPair(a, b)
            values = {name: value for name, value in values.items() if name not in RESPONSES}
    written = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    metadata = written if item.HasField("metadata") else ""
    return metadata if pair is None else with_pair(metadata, pair)


def _metadata(item: pool_pb2.Item, limits: Limits) -> dict[str, Any]:
    try:
        values = json_of(item.metadata, "metadata")
    except InvalidArgument as error:
        raise _UnreadableError.of(ItemFault.METADATA_INVALID, error) from error
    if _depth(values) > limits.metadata_depth:
        deep = f"nested more than {limits.metadata_depth} levels deep"
        raise _UnreadableError(ItemFault.METADATA_INVALID, "metadata", deep)
    return values


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def item_message(stored: StoredItem, split: Split = Split.POOL) -> pool_pb2.Item:
    """Return the message of a stored item."""
    item = pool_pb2.Item(id=stored.item_id, text=stored.text, split=SPLIT_MESSAGES[split])
    if stored.fields:
        json_format.ParseDict(dict(stored.fields), item.metadata)
    if (pair := stored.pair) is not None:
        item.pair.CopyFrom(pool_pb2.TextPair(a=pair.a, b=pair.b))
    return item


def full_item_message(stored: StoredItem, reference: ReferenceItem | None, project: Project) -> pool_pb2.Item:
    """Return the message of a stored item with its split, and its reference answer if it has one."""
    item = item_message(stored, reference.split if reference else Split.POOL)
    answer = written_answer(reference.label, project.annotation_type) if reference else None
    if reference and answer and reference.split.has_answer:
        item.reference.CopyFrom(answer)
    return item
