"""Blocks of rows from whatever holds the items: iterables, tables, data sets, files.

pandas, Arrow and Hugging Face `datasets` are recognised by looking them up among the imported modules: who passes
such an object has imported them, and nobody else has to.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Protocol, runtime_checkable

from nextlabel.client.items import Columns, Item, Rows

BLOCK_ROWS = 1_000
"""Rows in a block, and with it in a message: more does not make the transfer any faster."""


class UnknownColumnError(ValueError):
    """A column was named that the source does not have."""

    def __init__(self, column: str, available: Iterable[str], role: str) -> None:
        listed = ", ".join(map(str, available)) or "none"
        super().__init__(f"{role}: there is no column {column!r}; the columns are: {listed}")


@runtime_checkable
class RowSource(Protocol):
    """Something that yields blocks of at most BLOCK_ROWS rows itself, such as an ItemFile."""

    def blocks(self) -> Iterator[Rows]:
        """The blocks, in order."""
        ...


def blocks(source: Any, columns: Columns, embeddings_ND: Any = None) -> Iterator[Rows]:
    """The items of `source` in blocks of at most BLOCK_ROWS rows, in order.

    `source` is a RowSource, a pandas DataFrame, an Arrow table, batch or reader, a Hugging Face data set, or an
    iterable of texts, dicts and Items. `embeddings_ND`, a matrix, gives row i of the source its embedding.

    Raises UnknownColumnError for a column that a table does not have, ValueError when the matrix has another
    number of rows than the source, TypeError for a source of another kind.
    """
    rows = _plain_blocks(source, columns)
    return rows if embeddings_ND is None else _with_embeddings(rows, embeddings_ND)


def _plain_blocks(source: Any, columns: Columns) -> Iterator[Rows]:
    if isinstance(source, RowSource):
        return source.blocks()
    for module, types, tables in (
        ("pandas", ("DataFrame",), _pandas_tables),
        ("pyarrow", ("Table", "RecordBatch", "RecordBatchReader"), _arrow_tables),
        ("datasets", ("Dataset", "IterableDataset"), _dataset_tables),
    ):
        if module in sys.modules and isinstance(source, tuple(getattr(sys.modules[module], name) for name in types)):
            return table_blocks(tables(source), columns)
    if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
        raise TypeError(
            f"items: expected an iterable of texts, dicts or Items, or a table, got {type(source).__name__}"
        )
    return _iterable_blocks(source, columns)


def _with_embeddings(rows: Iterator[Rows], embeddings_ND: Any) -> Iterator[Rows]:
    if getattr(embeddings_ND, "ndim", None) != 2:
        raise ValueError("embeddings: expected a matrix with one row for each item")
    total = embeddings_ND.shape[0]
    done = 0
    for block in rows:
        start, done = done, done + len(block)
        if done > total:
            raise ValueError(f"embeddings: the matrix has {total} rows, but there are more items than that")
        yield replace(block, embeddings_ND=embeddings_ND[start:done])
    if done != total:
        raise ValueError(f"embeddings: the matrix has {total} rows, but there were only {done} items")


def _iterable_blocks(source: Iterable[Any], columns: Columns) -> Iterator[Rows]:
    iterator = iter(source)
    first = 0
    while chunk := list(islice(iterator, BLOCK_ROWS)):
        # Elements of one kind are taken by column; who mixes them gets smaller blocks.
        for kind, run in groupby(chunk, _kind):
            elements = list(run)
            numbers = range(first, first + len(elements))
            first += len(elements)
            if kind is str:
                yield Rows(numbers=numbers, texts=elements)
            elif kind is Item:
                yield _item_rows(numbers, elements)
            else:
                yield record_rows(numbers, elements, columns)


def _kind(element: Any) -> type:
    for kind in (str, Item, Mapping):
        if isinstance(element, kind):
            return kind
    raise TypeError(f"items: expected texts, dicts or Items, got {type(element).__name__}")


def _item_rows(numbers: Sequence[int], items: Sequence[Item]) -> Rows:
    return Rows(
        numbers=numbers,
        texts=[item.text for item in items],
        ids=[item.id for item in items],
        labels=[item.label for item in items],
        metadata=[item.metadata for item in items] if any(item.metadata for item in items) else None,
    )


def record_rows(numbers: Sequence[int], records: Sequence[Mapping[str, Any]], columns: Columns) -> Rows:
    """The rows of records, which may lack any of the columns."""

    def column(name: str | None) -> list[Any] | None:
        return None if name is None else [record.get(name) for record in records]

    names = columns.metadata
    return Rows(
        numbers=numbers,
        texts=[record.get(columns.text) for record in records],
        ids=column(columns.id),
        labels=column(columns.label),
        metadata=[{name: r[name] for name in names if name in r} for r in records] if names else None,
    )


def table_blocks(tables: Iterable[Mapping[str, Sequence[Any]]], columns: Columns) -> Iterator[Rows]:
    """The rows of tables that all have the same columns, each at most BLOCK_ROWS rows long.

    Raises UnknownColumnError when a table lacks a column that is required.
    """
    first = 0
    for table in tables:
        check_columns(table.keys(), columns)
        known = _known_columns(table, columns)
        length = len(next(iter(known.values())))
        if length:
            yield Rows(
                numbers=range(first, first + length),
                texts=known.get("text", [None] * length),
                ids=known.get("id"),
                labels=known.get("label"),
                metadata=_metadata(table, columns.metadata),
            )
        first += length


def check_columns(available: Iterable[str], columns: Columns) -> None:
    """Raise UnknownColumnError when a column that is required is not among the available ones."""
    available = list(available)
    roles = [("text", columns.text), ("id", columns.id), ("label", columns.label)]
    wanted = [(role, name) for role, name in roles if role in columns.required]
    for role, name in [*wanted, *(("metadata", name) for name in columns.metadata)]:
        if name not in available:
            raise UnknownColumnError(name or "", available, role)
    if not any(name in available for _, name in roles[:2]):
        raise UnknownColumnError(columns.text, available, "text")


def _known_columns(table: Mapping[str, Sequence[Any]], columns: Columns) -> dict[str, Sequence[Any]]:
    roles = {"text": columns.text, "id": columns.id, "label": columns.label}
    return {role: table[name] for role, name in roles.items() if name is not None and name in table}


def _metadata(table: Mapping[str, Sequence[Any]], names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    if not names:
        return None
    return [dict(zip(names, values, strict=True)) for values in zip(*(table[n] for n in names), strict=True)]


def _pandas_tables(frame: Any) -> Iterator[Mapping[str, Sequence[Any]]]:
    for start in range(0, len(frame), BLOCK_ROWS):
        part = frame.iloc[start : start + BLOCK_ROWS]
        # pandas marks a missing value by several objects; here it is None.
        yield {str(name): part[name].astype(object).where(part[name].notna(), None).tolist() for name in part}


def _arrow_tables(source: Any) -> Iterator[Mapping[str, Sequence[Any]]]:
    pyarrow = sys.modules["pyarrow"]
    if isinstance(source, pyarrow.RecordBatch):
        source = pyarrow.Table.from_batches([source])
    batches = source.to_batches() if isinstance(source, pyarrow.Table) else source
    for batch in batches:
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            yield arrow_table(batch.slice(start, BLOCK_ROWS))


def arrow_table(batch: Any) -> Mapping[str, Sequence[Any]]:
    """The columns of an Arrow RecordBatch, converted when they are asked for."""
    return _LazyColumns(batch)


class _LazyColumns(Mapping[str, Sequence[Any]]):
    """Columns that nobody chose, such as a large binary one, are never converted."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self._batch.schema.names:
            raise KeyError(name)
        column: Sequence[Any] = self._batch.column(name).to_pylist()
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.schema.names)

    def __len__(self) -> int:
        return int(self._batch.num_columns)


def _dataset_tables(dataset: Any) -> Iterator[Mapping[str, Sequence[Any]]]:
    names = _class_names(dataset)
    for part in dataset.iter(batch_size=BLOCK_ROWS):
        yield {
            column: [_class_name(names[column], v) for v in values] if column in names else values
            for column, values in part.items()
        }


def _class_names(dataset: Any) -> Mapping[str, Sequence[str]]:
    """The class names of the columns that hold class numbers (ClassLabel features)."""
    class_label = sys.modules["datasets"].ClassLabel
    features = dataset.features or {}
    return {name: feature.names for name, feature in features.items() if isinstance(feature, class_label)}


def _class_name(names: Sequence[str], number: int | None) -> str | None:
    # -1 stands for a missing label.
    return None if number is None or number < 0 else names[number]
