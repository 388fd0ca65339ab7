"""Item batches from rows: the check of each row, and one message for many."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.struct_pb2 import Struct

from nextlabel.client.items import Rows, content_id
from nextlabel.client.row_checks import RowError, checked_id, checked_pair, checked_text, is_missing
from nextlabel.v1.annotation_pb2 import Answer
from nextlabel.v1.pool_pb2 import (
    DATA_TYPE_FLOAT16,
    SPLIT_POOL,
    EmbeddingMatrix,
    Item,
    Split,
    TextPair,
)
from nextlabel.v1.pool_service_pb2 import ItemBatch, ItemColumns

if TYPE_CHECKING:
    from numpy import ndarray

TARGET_BYTES = 2**20
"""About how many bytes a batch should have at most."""

_BYTES_BESIDE_TEXT = 40
"""Of an item: its id when it is a hash, its split, and what frames the fields."""

_DEEPEST = 16
"""Nesting of metadata that can be sent: protobuf reads no message that is much deeper. The server's limit is lower."""

MAX_BYTES = 8 * 2**20
"""Bytes that no batch exceeds; half of what the server takes in one message."""


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item that was not taken: its row in the source, its id, why for programs, why for people.

    Rows count from 0; in a text file they are lines and count from 1.
    """

    row: int
    item_id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """A batch, ready to send, and the row in the source of each of its items."""

    message: ItemBatch
    rows: Sequence[int]
    rejected: tuple[RejectedItem, ...]


@dataclass(frozen=True, slots=True)
class ItemEncoder:
    """Encodes rows as items of one split.

    `answer` turns a label into the reference answer; items of the pool have none, their labels stay at home.
    """

    split: "Split.ValueType" = SPLIT_POOL
    answer: Callable[[Any], Answer] | None = None

    def batches(self, rows: Rows) -> Iterator[EncodedBatch]:
        """The rows in batches of about TARGET_BYTES, the same ones whenever it is called."""
        pieces = max(1, math.ceil(_estimated_bytes(rows) / TARGET_BYTES))
        step = max(1, math.ceil(len(rows) / pieces))
        for start in range(0, len(rows), step):
            yield from self._fitting(rows.part(start, start + step))

    def _fitting(self, rows: Rows) -> Iterator[EncodedBatch]:
        batch = self._encode(rows)
        if (size := self._bytes(batch, rows)) <= MAX_BYTES:
            yield batch
        elif len(rows) > 1:
            middle = len(rows) // 2
            yield from self._fitting(rows.part(0, middle))
            yield from self._fitting(rows.part(middle, len(rows)))
        else:
            yield _rejected(rows, f"the item has {size:,} bytes; at most {MAX_BYTES:,} fit into a message")

    def _bytes(self, batch: EncodedBatch, rows: Rows) -> int:
        """Bytes of the batch, or an upper bound: the exact size costs as much as sending it."""
        bound = 4 * _estimated_bytes(rows)
        if self._is_plain(rows) and bound <= MAX_BYTES:
            return bound
        return batch.message.ByteSize()

    def _is_plain(self, rows: Rows) -> bool:
        return rows.metadata is None and rows.pairs is None and self.answer is None

    def _encode(self, rows: Rows) -> EncodedBatch:
        if self._is_plain(rows) and self.split == SPLIT_POOL and _all_texts(rows.texts):
            return self._encode_columns(rows)
        return self._encode_row_by_row(rows)

    def _encode_columns(self, rows: Rows) -> EncodedBatch:
        """The fast way for what is nearly every block: texts and ids without anything to check one by one."""
        try:
            message = ItemBatch(columns=ItemColumns(ids=_ids(rows), texts=rows.texts))
        except ValueError:  # some row is wrong: find out which
            return self._encode_row_by_row(rows)
        _set_embeddings(message, rows.embeddings_ND)
        return EncodedBatch(message, rows.numbers, ())

    def _encode_row_by_row(self, rows: Rows) -> EncodedBatch:
        items, kept, rejected = [], [], []
        for i in range(len(rows)):
            try:
                items.append(self._item(rows, i))
                kept.append(i)
            except RowError as error:
                item_id = "" if rows.ids is None or is_missing(rows.ids[i]) else str(rows.ids[i])
                rejected.append(RejectedItem(rows.numbers[i], item_id, error.reason, str(error)))
        message = ItemBatch(items=items)
        if rows.embeddings_ND is not None and items:
            _set_embeddings(message, rows.embeddings_ND[kept])
        return EncodedBatch(message, [rows.numbers[i] for i in kept], tuple(rejected))

    def _item(self, rows: Rows, i: int) -> Item:
        both = None if rows.pairs is None else rows.pairs[i]
        pair = None if both is None else checked_pair(both)
        text = checked_text(rows.texts[i]) if pair is None or not is_missing(rows.texts[i]) else ""
        item = Item(id=checked_id(None if rows.ids is None else rows.ids[i], text, pair), text=text, split=self.split)
        if pair is not None:
            item.pair.CopyFrom(TextPair(a=pair[0], b=pair[1]))
        if rows.metadata is not None and rows.metadata[i]:
            item.metadata.CopyFrom(_struct(rows.metadata[i]))
        if self.answer is not None:
            item.reference.CopyFrom(self._reference(None if rows.labels is None else rows.labels[i]))
        return item

    def _reference(self, label: Any) -> Answer:
        assert self.answer is not None
        if is_missing(label):
            raise RowError("REFERENCE_INVALID", "label: it is missing; holdout and gold items need one")
        try:
            return self.answer(label)
        except ValueError as error:
            raise RowError("REFERENCE_INVALID", str(error)) from None


def encode_embeddings(embeddings_ND: "ndarray[Any, Any]") -> EmbeddingMatrix:
    """A matrix of embeddings as little-endian half floats, row by row.

    Numbers beyond ±65,504 become infinite, which the server refuses item by item.
    """
    return EmbeddingMatrix(
        dimension=embeddings_ND.shape[1],
        data_type=DATA_TYPE_FLOAT16,
        data=embeddings_ND.astype("<f2").tobytes(),
    )


def _set_embeddings(message: ItemBatch, embeddings_ND: "ndarray[Any, Any] | None") -> None:
    if embeddings_ND is not None:
        message.embeddings.CopyFrom(encode_embeddings(embeddings_ND))


def _estimated_bytes(rows: Rows) -> int:
    """About how many bytes the texts, ids and embeddings have; a quarter of it at worst, as UTF-8 is longer."""
    both = [text for pair in rows.pairs or () for text in pair or ()]
    columns = (rows.texts, rows.ids or (), both)
    characters = sum(len(value) for column in columns for value in column if type(value) is str)
    dimension = 0 if rows.embeddings_ND is None else rows.embeddings_ND.shape[1]
    return characters + len(rows) * (_BYTES_BESIDE_TEXT + 2 * dimension)


def _all_texts(texts: Sequence[Any]) -> bool:
    return all(type(text) is str and text for text in texts)


def _ids(rows: Rows) -> Sequence[str]:
    if rows.ids is None:
        return [content_id(text) for text in rows.texts]
    return [
        item_id if type(item_id) is str and item_id else checked_id(item_id, text)
        for item_id, text in zip(rows.ids, rows.texts, strict=True)
    ]


def _struct(metadata: Any) -> Struct:
    if _is_too_deep(metadata, _DEEPEST):
        raise RowError("METADATA_INVALID", f"metadata: nested more than {_DEEPEST} levels deep")
    try:
        return ParseDict({str(key): _json(value) for key, value in metadata.items()}, Struct())
    except (ParseError, ValueError, AttributeError) as error:
        raise RowError("METADATA_INVALID", f"metadata: {error}") from None


def _is_too_deep(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list | tuple):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_too_deep(one, levels - 1) for one in inner)


def _json(value: Any) -> Any:
    """A JSON value: what JSON does not have, such as a date, becomes text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    return str(value)


def _rejected(rows: Rows, message: str) -> EncodedBatch:
    item_id = str(rows.ids[0]) if rows.ids is not None else ""
    return EncodedBatch(ItemBatch(), [], (RejectedItem(rows.numbers[0], item_id, "TEXT_TOO_LONG", message),))
