"""Blocks of rows from what people hold in memory."""

from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nextlabel.client import Client, Columns, content_id
from nextlabel.client.sources import BLOCK_ROWS, blocks
from nextlabel.client.tables import UnknownColumnError
from tests.client.fake_state import State

DATA: dict[str, list[Any]] = {"id": [1, 2, None], "text": ["one", "two", "three"], "year": [1999, None, 2001]}


def table() -> pa.Table:
    return pa.table({"id": ["1", "2", None], "text": DATA["text"], "year": DATA["year"]})


SOURCES = {
    "dicts": lambda: [dict(zip(DATA, values, strict=True)) for values in zip(*DATA.values(), strict=True)],
    "pandas": lambda: pd.DataFrame({**DATA, "id": ["1", "2", None]}),
    "arrow table": table,
    "arrow batch": lambda: table().to_batches()[0],
    "arrow reader": lambda: pa.RecordBatchReader.from_batches(table().schema, table().to_batches()),
    "dataset": lambda: datasets.Dataset(table()),
    "iterable dataset": lambda: datasets.Dataset(table()).to_iterable_dataset(),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_items(client: Client, news: str, state: State, name: str) -> None:
    result = client.pool.add(news, SOURCES[name](), columns=Columns(metadata=("year",)))
    assert result.accepted == 3, result
    assert list(state.items[news]) == ["1", "2", content_id("three")]
    assert [dict(item.metadata)["year"] for item in state.items[news].values()] == [1999, None, 2001]


def test_numbers_of_a_table_become_ids_and_not_floats(client: Client, news: str, state: State) -> None:
    client.pool.add(news, pd.DataFrame({"id": np.arange(3), "text": list("abc")}))
    assert list(state.items[news]) == ["0", "1", "2"]


def test_class_labels_of_a_dataset_are_names(client: Client, news: str, state: State) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["sports", "politics"])}
    )
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    result = client.pool.add(news, data, split="holdout")
    assert [i.reference.single_label.label for i in state.items[news].values()] == ["politics", "sports"]
    assert result.errors[0].reason == "REFERENCE_INVALID"


def test_tables_are_cut_into_blocks() -> None:
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(2_500)]})
    assert [len(rows) for rows in blocks(frame, Columns())] == [BLOCK_ROWS, BLOCK_ROWS, 500]
    assert [len(rows) for rows in blocks(pa.Table.from_pandas(frame), Columns())] == [BLOCK_ROWS, BLOCK_ROWS, 500]


def test_a_text_that_is_missing_in_a_table_is_a_row_error(client: Client, news: str) -> None:
    result = client.pool.add(news, pd.DataFrame({"text": ["a", None, float("nan")]}))
    assert (result.accepted, [error.row for error in result.errors]) == (1, [1, 2])


@pytest.mark.parametrize("name", ["pandas", "arrow table", "dataset"])
def test_an_unknown_column_of_a_table_lists_the_columns(name: str) -> None:
    with pytest.raises(UnknownColumnError, match="text: there is no column 'body'; the columns are: id, text, year"):
        list(blocks(SOURCES[name](), Columns(text="body")))


@pytest.mark.parametrize("source", ["a text", b"bytes", {"text": "a"}, 5])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match="items: expected an iterable"):
        list(blocks(source, Columns()))


def test_an_element_that_is_no_item_is_refused() -> None:
    with pytest.raises(TypeError, match="expected texts, dicts or Items, got int"):
        list(blocks([1], Columns()))
