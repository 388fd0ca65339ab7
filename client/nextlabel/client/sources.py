"""Blocks of rows from whatever holds the items: iterables, tables, data sets, files.

pandas, Arrow and Hugging Face `datasets` are recognised by looking them up among the imported modules: who passes
such an object has imported them, and nobody else has to.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from typing import Any, Protocol, runtime_checkable

from nextlabel.client.items import WRITTEN, Columns, Item, Rows, is_written
from nextlabel.client.messages.names import several
from nextlabel.client.row_checks import RowError, checked_text
from nextlabel.client.tables import Table, table_blocks

BLOCK_ROWS = 1_000
"""Rows in a block, and with it in a message: more does not make the transfer any faster."""


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


def texts_of(source: Any, columns: Columns) -> Iterator[str]:
    """The texts of a source, in order. Raises ValueError, naming the row, where there is none."""
    for rows in blocks(several(source, "texts"), columns):
        for number, text in zip(rows.numbers, rows.texts, strict=True):
            try:
                yield checked_text(text)
            except RowError as error:
                raise ValueError(f"row {number}: {error}") from None


def _plain_blocks(source: Any, columns: Columns) -> Iterator[Rows]:
    if isinstance(source, RowSource):
        return source.blocks()
    for module, types, tables in (
        ("pandas", ("DataFrame",), _pandas_tables),
        ("pyarrow", ("Table", "RecordBatch", "RecordBatchReader"), _arrow_tables),
        ("datasets", ("Dataset", "IterableDataset"), dataset_tables),
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
        pairs=[item.pair for item in items] if any(item.pair for item in items) else None,
        labels_were_given=True,
    )


def record_rows(numbers: Sequence[int], records: Sequence[Mapping[str, Any]], columns: Columns) -> Rows:
    """The rows of records, which may lack any of the columns."""

    def column(name: str | None) -> list[Any] | None:
        return None if name is None else [record.get(name) for record in records]

    names = columns.metadata
    marked = any(WRITTEN in record and is_written(record[WRITTEN]) for record in records)
    return Rows(
        numbers=numbers,
        texts=[record.get(columns.text) for record in records],
        ids=column(columns.id),
        labels=column(columns.label),
        metadata=[_metadata(r, names) for r in records] if names or marked else None,
        pairs=None if columns.pair is None else [(r.get(columns.pair[0]), r.get(columns.pair[1])) for r in records],
    )


def _metadata(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    chosen = {name: record[name] for name in names if name in record}
    return chosen | {WRITTEN: True} if is_written(record.get(WRITTEN)) else chosen


def _pandas_tables(frame: Any) -> Iterator[Table]:
    names = [str(name) for name in frame.columns]
    for start in range(0, len(frame), BLOCK_ROWS):
        part = frame.iloc[start : start + BLOCK_ROWS]
        yield Table(names, len(part), partial(_pandas_column, part))


def _pandas_column(frame: Any, index: int) -> Sequence[Any]:
    column = frame.iloc[:, index]
    # pandas marks a missing value by several objects; here it is None.
    values: Sequence[Any] = column.astype(object).where(column.notna(), None).tolist()
    return values


def _arrow_tables(source: Any) -> Iterator[Table]:
    pyarrow = sys.modules["pyarrow"]
    if isinstance(source, pyarrow.RecordBatch):
        source = pyarrow.Table.from_batches([source])
    batches = source.to_batches() if isinstance(source, pyarrow.Table) else source
    for batch in batches:
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            yield arrow_table(batch.slice(start, BLOCK_ROWS))


def arrow_table(batch: Any) -> Table:
    """An Arrow RecordBatch; columns that nobody chose, such as a large binary one, are never converted."""
    return Table(batch.schema.names, batch.num_rows, lambda index: batch.column(index).to_pylist())


def dataset_tables(dataset: Any) -> Iterator[Table]:
    """A Hugging Face data set; numbers of classes become their names."""
    classes = _class_names(dataset)
    for part in dataset.iter(batch_size=BLOCK_ROWS):
        names = list(part)
        length = len(part[names[0]]) if names else 0
        yield Table(names, length, partial(_dataset_column, part, names, classes))


def _dataset_column(
    part: Mapping[str, Sequence[Any]], names: Sequence[str], classes: Mapping[str, Sequence[str]], index: int
) -> Sequence[Any]:
    name = names[index]
    values = part[name]
    return [_class_name(classes[name], value) for value in values] if name in classes else values


def _class_names(dataset: Any) -> Mapping[str, Sequence[str]]:
    """The class names of the columns that hold class numbers (ClassLabel features)."""
    class_label = sys.modules["datasets"].ClassLabel
    features = dataset.features or {}
    return {name: feature.names for name, feature in features.items() if isinstance(feature, class_label)}


def _class_name(names: Sequence[str], number: int | None) -> str | None:
    # -1 stands for a missing label.
    return None if number is None or number < 0 else names[number]
