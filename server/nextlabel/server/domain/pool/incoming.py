"""Checks the items of one ingest message: what is wrong with one item never costs the others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.pool.index import Hashes, hash_texts
from nextlabel.server.domain.pool.item_errors import ItemError, ItemFault, ItemProblem
from nextlabel.server.tasks.answer_form import written_problem
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pairs import TextPair, fields_in, pair_in, with_pair
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies.arithmetic.arrays import as_float32

_UNIT_TOLERANCE = 0.01
_NOT_WORD = re.compile(r"[\W_]+")
_NO_PAIRS = "only projects of pairwise preferences take pairs; give a text"
_SYNTHETIC = "nextlabel_synthetic"
"""The metadata by which texts that an LLM wrote are marked where they are written to a file."""

_WRITTEN = ItemProblem(
    ItemFault.METADATA_INVALID,
    f"metadata.{_SYNTHETIC}",
    "is true, and a text that an LLM wrote is no item: it would be counted as a real one in figures; train on it "
    "beside the exported labels instead",
)
_NO_LENGTH = ItemProblem(ItemFault.EMBEDDING_INVALID, "", "its embedding holds NaN or infinity, or has no length")


@dataclass(frozen=True, slots=True)
class IncomingItems:
    """Columns of n items. ``embeddings_nD`` is None when the server shall embed them; labels are '' for the pool."""

    item_ids: Sequence[str]
    texts: Sequence[str]
    metadata: Sequence[str]
    splits: Sequence[Split]
    labels: Sequence[str]
    embeddings_nD: npt.NDArray[np.floating] | None


@dataclass(frozen=True, slots=True)
class CheckedItems:
    """The items of a message that passed, with their hashes, and what was wrong with the others.

    ``indexes`` are the places of the passing items in the message.
    """

    item_ids: list[str]
    texts: list[str]
    metadata: list[str]
    splits: list[Split]
    labels: list[str]
    embeddings_nD: npt.NDArray[np.float16] | None
    keys_n: Hashes
    contents_n: Hashes
    indexes: list[int]
    errors: list[ItemError]


def normalised(text: str) -> str:
    """Return a text without the differences that near-duplicates have: case, width, spacing and punctuation."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _NOT_WORD.sub(" ", folded.casefold()).strip()


def said(text: str, metadata: str) -> str:
    """Return what an item says, without what near-duplicates differ in; of a pair, in whatever order its texts stand.

    >>> said("Which?", '[{},"Yes!","no"]') == said("which", '[{},"No","yes"]')
    True
    """
    pair = pair_in(metadata)
    return "\0".join([normalised(text), *sorted(map(normalised, (pair.a, pair.b)))]) if pair else normalised(text)


def check_items(incoming: IncomingItems, project: Project, limits: Limits) -> CheckedItems:
    """Split a message into items to take and per-item errors.

    Raises:
        InvalidArgument: something concerns the whole message: its size, or the shape of the embeddings.
    """
    n = len(incoming.item_ids)
    if n > limits.batch_items:
        raise InvalidArgument.field("batch.items", f"at most {limits.batch_items} items a message, got {n}")
    embeddings, unusable = _checked_embeddings(incoming, project)
    errors: list[ItemError] = []
    indexes: list[int] = []
    if not unusable and _evidently_fine(incoming, project, limits):
        return _taken(incoming, project, embeddings, list(range(n)), [])
    for i in range(n):
        problem = _problem(incoming, i, project, limits) or (_NO_LENGTH if i in unusable else None)
        if problem is None:
            indexes.append(i)
        else:
            errors.append(ItemError(i, incoming.item_ids[i], problem))
    return _taken(incoming, project, embeddings, indexes, errors)


def _taken(
    incoming: IncomingItems,
    project: Project,
    embeddings: npt.NDArray[np.float16] | None,
    indexes: list[int],
    errors: list[ItemError],
) -> CheckedItems:
    whole = not errors

    def chosen(column: Sequence[str]) -> list[str]:
        return list(column) if whole else [column[i] for i in indexes]

    ids, texts, metadata = chosen(incoming.item_ids), chosen(incoming.texts), chosen(incoming.metadata)
    splits, labels = [incoming.splits[i] for i in indexes], chosen(incoming.labels)
    if task_type(project.annotation_type).pairs:
        splits = [Split.UNPAIRED if pair_in(m) is None else s for s, m in zip(splits, metadata, strict=True)]
    keys_n = hash_texts(ids)
    return CheckedItems(
        item_ids=ids,
        texts=texts,
        metadata=metadata,
        splits=splits,
        labels=labels,
        embeddings_nD=None if embeddings is None else (embeddings if whole else embeddings[indexes]),
        keys_n=keys_n,
        contents_n=content_hashes(keys_n, texts, metadata, splits, labels),
        indexes=indexes,
        errors=errors,
    )


def content_hashes(
    keys_n: Hashes, texts: Sequence[str], metadata: Sequence[str], splits: Sequence[Split], labels: Sequence[str]
) -> Hashes:
    """Return a hash of each item, id (by its hash) and content, which depends on that item alone.

    >>> alone = content_hashes(hash_texts(["a"]), ["hi"], [""], [Split.POOL], [""])
    >>> beside = content_hashes(hash_texts(["a", "b"]), ["hi", "yo"], ["", "{}"], [Split.POOL] * 2, ["", "a"])
    >>> bool(alone[0] == beside[0])
    True
    """
    contents = hash_texts(texts) ^ keys_n
    for column in (
        [f"\0{m}" if m else "" for m in metadata],
        [f"{split}\0{label}" if label else "" for split, label in zip(splits, labels, strict=True)],
    ):
        if given := [i for i, value in enumerate(column) if value]:
            contents[given] ^= hash_texts([column[i] for i in given])
    return contents


def earlier_hashes(content: int, key: int, split: Split, *, has_metadata: bool, has_label: bool) -> set[int]:
    """Return the hashes that an item of this hash, and this hash of its id, may be stored under beside its own.

    The id was once no part of the hash. Metadata and label that it lacks were where another item of its message had
    some.
    """
    metadata, label = (int(h) for h in hash_texts(["\0", f"{split}\0"]))
    content ^= key
    found = {content}
    if not has_metadata:
        found |= {h ^ metadata for h in found}
    if not has_label:
        found |= {h ^ label for h in found}
    return found


def check_shape(shape: tuple[int, ...], items: int, project: Project) -> None:
    """Check that there is an embedding of the project's dimension for every item.

    Raises:
        InvalidArgument: the matrix has another shape.
    """
    if shape != (items, project.embedding_dimension):
        raise InvalidArgument.field(
            "batch.embeddings",
            f"{shape[0]} rows of dimension {shape[1]} for {items} items; this project's embeddings have "
            f"{project.embedding_dimension} dimensions, one row an item",
        )


def _checked_embeddings(incoming: IncomingItems, project: Project) -> tuple[npt.NDArray[np.float16] | None, set[int]]:
    """Return the embeddings at unit length, which learners and strategies assume, and the rows that cannot be."""
    matrix = incoming.embeddings_nD
    if matrix is None:
        if not project.embedding_model and incoming.item_ids:
            raise InvalidArgument.field(
                "batch.embeddings",
                f"this project was created for embeddings given by its clients; send one of dimension "
                f"{project.embedding_dimension} with every item",
            )
        return None, set()
    check_shape(matrix.shape, len(incoming.item_ids), project)
    wide = as_float32(matrix)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("nd,nd->n", wide, wide)
    unusable = set(np.flatnonzero(~(np.isfinite(squared) & (squared > 0))).tolist())
    if matrix.dtype == np.float16 and (np.abs(squared - 1) < _UNIT_TOLERANCE).all():
        return matrix.astype(np.float16, copy=False), unusable
    with np.errstate(divide="ignore", invalid="ignore"):
        return (wide / np.sqrt(squared)[:, None]).astype(np.float16), unusable


def _evidently_fine(incoming: IncomingItems, project: Project, limits: Limits) -> bool:
    """Return whether no item can have a problem, by looking at whole columns: the usual case, and a fast one."""
    ids, texts = incoming.item_ids, incoming.texts
    return bool(ids) and (
        all(ids)
        and max(map(len, ids)) * 4 <= limits.item_id_bytes
        and all(map(str.isprintable, ids))
        and all(texts)
        and not any(map(str.isspace, texts))
        and max(map(len, texts)) * 4 <= limits.item_text_bytes
        and max(map(len, incoming.metadata)) <= limits.item_metadata_bytes
        and not any(_SYNTHETIC in kept for kept in incoming.metadata)
        and not any(incoming.labels)
        and not task_type(project.annotation_type).pairs
        and all(split is Split.POOL for split in incoming.splits)
    )


def _problem(incoming: IncomingItems, i: int, project: Project, limits: Limits) -> ItemProblem | None:
    """Return why item i cannot be taken; None when it can."""
    item_id, text = incoming.item_ids[i], incoming.texts[i]
    if not item_id:
        return ItemProblem(ItemFault.ID_MISSING, "id", "must not be empty")
    if len(item_id) * 4 > limits.item_id_bytes and len(item_id.encode()) > limits.item_id_bytes:
        return ItemProblem(ItemFault.ID_INVALID, "id", f"at most {limits.item_id_bytes} bytes of UTF-8")
    if not item_id.isprintable():
        return ItemProblem(ItemFault.ID_INVALID, "id", "must not hold control characters")
    pair = pair_in(incoming.metadata[i])
    if pair is None and (not text or text.isspace()):
        return ItemProblem(ItemFault.TEXT_MISSING, "text", "must not be empty")
    if (long := _too_long(text, limits)) is not None:
        return ItemProblem(ItemFault.TEXT_TOO_LONG, "text", long)
    if (wrong := _pair_problem(pair, incoming.splits[i], project, limits)) is not None:
        return wrong
    beside = 0 if pair is None else len(with_pair("", pair)) - len("{}")
    if len(incoming.metadata[i]) - beside > limits.item_metadata_bytes:
        most = f"at most {limits.item_metadata_bytes} bytes as JSON"
        return ItemProblem(ItemFault.METADATA_INVALID, "metadata", most)
    if _is_written(incoming.metadata[i]):
        return _WRITTEN
    return _label_problem(incoming.splits[i], incoming.labels[i], project)


def _is_written(kept: str) -> bool:
    """Return whether metadata mark a text as synthetic; files of some kinds write true as a word."""
    return _SYNTHETIC in kept and str(fields_in(kept).get(_SYNTHETIC)).casefold() == "true"


def _pair_problem(pair: TextPair | None, split: Split, project: Project, limits: Limits) -> ItemProblem | None:
    """Return why an item with this pair, or without one, is not of the project; None when it is.

    A single text in a project of pairs is one that pairs are made of.
    """
    field, text = "pair", ""
    pairs = task_type(project.annotation_type).pairs
    if pair is not None and not pairs:
        text = _NO_PAIRS
    elif pair is None and pairs and split is not Split.POOL:
        text = "two texts to compare are missing; give pair.a and pair.b"
    elif pair is not None:
        for name, one in (("a", pair.a), ("b", pair.b)):
            if not one or one.isspace():
                field, text = f"pair.{name}", "must not be empty"
            elif (long := _too_long(one, limits)) is not None:
                field, text = f"pair.{name}", long
        if not text and pair.a == pair.b:
            text = "both texts are the same, so that none is better"
    return ItemProblem(ItemFault.PAIR_INVALID, field, text) if text else None


def _too_long(text: str, limits: Limits) -> str | None:
    if len(text) * 4 <= limits.item_text_bytes or len(text.encode()) <= limits.item_text_bytes:
        return None
    return f"{len(text.encode())} bytes, at most {limits.item_text_bytes}; split the text"


def _label_problem(split: Split, label: str, project: Project) -> ItemProblem | None:
    problem = ""
    if split is Split.POOL and label:
        problem = "pool items carry none; submit an annotation, or use split HOLDOUT or GOLD"
    elif split is not Split.POOL:
        problem = written_problem(label, project)
    return ItemProblem(ItemFault.REFERENCE_INVALID, "reference", problem) if problem else None
