"""Prepares groups of upload messages for one commit: what is new among them, laid out as columns.

Nothing here waits or stores; :mod:`nextlabel.server.domain.pool.ingest` makes a prepared group durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.pool.incoming import (
    CheckedItems,
    IncomingItems,
    check_items,
    earlier_hashes,
    said,
)
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.domain.pool.item_errors import ItemError, ItemFault, ItemProblem
from nextlabel.server.domain.pool.pools import KnownPool
from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.values.errors import Aborted, DomainError
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one message; everything it counts is durable."""

    sequence: int
    accepted: int
    duplicates: int
    errors: Sequence[ItemError]


@dataclass(frozen=True, slots=True)
class Message:
    """One batch of an upload that waits for its receipt."""

    project: Project
    upload: str
    sequence: int
    incoming: IncomingItems
    receipt: asyncio.Future[Receipt]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of messages ready to append: only what is new, as columns."""

    receipts: list[Receipt | DomainError]
    items: NewItems
    first_row: int
    keys_n: npt.NDArray[np.uint64]
    segments: list[tuple[int, int, bool]]
    embedded_rows: npt.NDArray[np.int64]
    embeddings: npt.NDArray[np.float16] | None
    references: list[ReferenceItem]

    @property
    def rows_n(self) -> npt.NDArray[np.int64]:
        """The rows that the new items take."""
        return np.arange(self.first_row, self.first_row + len(self.items.item_ids), dtype=np.int64)


@dataclass(slots=True)
class Ahead:
    """What is prepared but not stored yet: the next row, and keys and reference texts of the group under way.

    ``done`` has the last sequence of every upload that was taken so far.
    """

    next_row: int
    contents: dict[int, int] = field(default_factory=dict)
    reserved: set[int] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)


def prepare(pool: KnownPool, messages: Sequence[Message], limits: Limits, ahead: Ahead) -> Group:
    """Check the messages, leave out what the pool has already, and lay out the rest as columns.

    A message after one that was not taken is not taken either: an acknowledged sequence stands for all before it.
    """
    seen: dict[int, int] = {}
    done = ahead.done
    receipts: list[Receipt | DomainError] = []
    kept: list[tuple[CheckedItems, list[int]]] = []
    for message in messages:
        if message.sequence > done[message.upload] + 1:
            receipts.append(_gap(message, done[message.upload]))
            continue
        try:
            checked = check_items(message.incoming, message.project, limits)
        except DomainError as error:
            receipts.append(error)
            continue
        done[message.upload] = max(done[message.upload], message.sequence)
        new, duplicates, conflicts = _new_items(pool, checked, ahead.contents, seen)
        if new:
            kept.append((checked, new))
        receipts.append(Receipt(message.sequence, len(new), duplicates, [*checked.errors, *conflicts]))
    group = _columns(pool, receipts, kept, ahead)
    ahead.next_row += len(group.items.item_ids)
    ahead.contents = seen
    ahead.reserved = {r.text_hash for r in group.references if r.split.has_answer}
    return group


def _new_items(
    pool: KnownPool, checked: CheckedItems, ahead: dict[int, int], seen: dict[int, int]
) -> tuple[list[int], int, list[ItemError]]:
    """Return the positions that are new, the number of exact duplicates, and the conflicting ones.

    ``ahead`` and ``seen`` map the keys of the group that is being stored and of this one to their contents.
    """
    rows, stored = pool.find(checked.keys_n)
    fresh = dict(zip(checked.keys_n.tolist(), checked.contents_n.tolist(), strict=True))
    known = rows >= 0
    if len(fresh) == len(rows) and not known.any() and fresh.keys().isdisjoint(seen) and fresh.keys().isdisjoint(ahead):
        seen |= fresh
        return list(range(len(rows))), 0, []
    new: list[int] = []
    duplicates = 0
    conflicts: list[ItemError] = []
    for i, (key, content) in enumerate(zip(checked.keys_n.tolist(), checked.contents_n.tolist(), strict=True)):
        present = int(stored[i]) if known[i] else ahead.get(key, seen.get(key))
        if present is None:
            seen[key] = content
            new.append(i)
        elif present == content or present in _earlier(checked, i):
            duplicates += 1
        else:
            conflicts.append(_conflict(checked.indexes[i], checked.item_ids[i]))
    return new, duplicates, conflicts


def _earlier(checked: CheckedItems, i: int) -> set[int]:
    return earlier_hashes(
        int(checked.contents_n[i]),
        int(checked.keys_n[i]),
        checked.splits[i],
        has_metadata=bool(checked.metadata[i]),
        has_label=bool(checked.labels[i]),
    )


def _gap(message: Message, done: int) -> Aborted:
    return Aborted(
        f"batch {message.sequence} came while batch {done + 1} is not stored; send the upload again from {done + 1}",
        reason="UPLOAD_GAP",
    )


def _conflict(place: int, item_id: str) -> ItemError:
    text = (
        f"{item_id!r} is in the pool with another text, split, label or metadata; use another id, or delete "
        "the item first"
    )
    return ItemError(place, item_id, ItemProblem(ItemFault.CONTENT_CONFLICT, "id", text))


def _columns(
    pool: KnownPool, receipts: list[Receipt | DomainError], kept: Sequence[tuple[CheckedItems, list[int]]], ahead: Ahead
) -> Group:
    first_row = row = ahead.next_row
    ids: list[str] = []
    texts: list[str] = []
    metadata: list[str] = []
    segments: list[tuple[int, int, bool]] = []
    embedded_rows: list[npt.NDArray[np.int64]] = []
    embeddings: list[npt.NDArray[np.float16]] = []
    for checked, new in kept:
        whole = len(new) == len(checked.item_ids)
        ids += checked.item_ids if whole else [checked.item_ids[i] for i in new]
        texts += checked.texts if whole else [checked.texts[i] for i in new]
        metadata += checked.metadata if whole else [checked.metadata[i] for i in new]
        matrix = checked.embeddings_nD
        if matrix is not None:
            embeddings.append(matrix if whole else matrix[new])
            embedded_rows.append(np.arange(row, row + len(new), dtype=np.int64))
        _extend(segments, row, len(new), embedded=matrix is not None)
        row += len(new)
    return Group(
        receipts=receipts,
        items=NewItems(ids, texts, metadata, _joined([c.contents_n[n] for c, n in kept])),
        first_row=first_row,
        keys_n=_joined([c.keys_n[n] for c, n in kept]),
        segments=segments,
        embedded_rows=np.concatenate(embedded_rows) if embedded_rows else np.empty(0, np.int64),
        embeddings=np.concatenate(embeddings) if embeddings else None,
        references=_references(pool.reference_hashes | ahead.reserved, kept, first_row),
    )


def _joined(parts: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _extend(segments: list[tuple[int, int, bool]], row: int, count: int, *, embedded: bool) -> None:
    """Add rows to the last segment when it is of the same kind, else begin one."""
    if segments and segments[-1][2] == embedded:
        first, so_far, _ = segments[-1]
        segments[-1] = (first, so_far + count, embedded)
    else:
        segments.append((row, count, embedded))


def _references(known: set[int], kept: Sequence[tuple[CheckedItems, list[int]]], first_row: int) -> list[ReferenceItem]:
    """Return the items apart among the new ones: what has an answer, what that or known ones shadow, single texts."""
    if not known and all(checked.splits.count(Split.POOL) == len(checked.splits) for checked, _ in kept):
        return []
    new = [(checked, i) for checked, positions in kept for i in positions]
    hashes = hash_texts([said(checked.texts[i], checked.metadata[i]) for checked, i in new]).tolist()
    splits = [checked.splits[i] for checked, i in new]
    reserved = known | {h for h, s in zip(hashes, splits, strict=True) if s.has_answer}
    found = []
    for row, ((checked, i), split, text_hash) in enumerate(zip(new, splits, hashes, strict=True), start=first_row):
        if split is not Split.POOL:
            found.append(ReferenceItem(row, checked.item_ids[i], split, checked.labels[i], text_hash))
        elif text_hash in reserved:
            found.append(ReferenceItem(row, checked.item_ids[i], Split.SHADOWED, "", text_hash))
    return found
