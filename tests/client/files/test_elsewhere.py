"""Items that are in no file of lines: datasets, Arrow files and databases."""

import sqlite3
from contextlib import suppress
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from pyarrow import feather

from nextlabel.client.items import Columns
from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.tables import UnknownColumnError
from tests.client.conftest import Cli
from tests.client.fake_state import State

COLUMNS = Columns(text="body", label="topic")
SECRET = "hunter2"


def read(path: str | Path, database: str | None = None) -> list[tuple[str, str | None]]:
    rows = list(ItemFile(path, columns=COLUMNS, database=database).blocks())
    return [pair for block in rows for pair in zip(block.texts, block.labels or (), strict=True)]


@pytest.fixture
def dataset() -> datasets.Dataset:
    features = datasets.Features({"body": datasets.Value("string"), "topic": datasets.ClassLabel(names=["x", "y"])})
    return datasets.Dataset.from_dict({"body": ["a", "b"], "topic": [1, -1]}, features=features)


def test_a_folder_of_a_dataset_is_read_with_the_names_of_its_classes(dataset: datasets.Dataset, tmp_path: Path) -> None:
    dataset.save_to_disk(str(tmp_path / "one"))
    assert read(tmp_path / "one") == [("a", "y"), ("b", None)]
    datasets.DatasetDict({"train": dataset, "test": dataset}).save_to_disk(str(tmp_path / "all"))
    with pytest.raises(FileError, match=r"holds the datasets test, train; give one"):
        read(tmp_path / "all")
    assert read(tmp_path / "all" / "train") == [("a", "y"), ("b", None)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="give a file in it, or a folder that save_to_disk"):
        read(tmp_path / "empty")


def test_a_dataset_is_loaded_by_its_name_and_split(tmp_path: Path) -> None:
    """A folder of files has a name for the loader as a repository of the hub has, and no network."""
    (tmp_path / "train.csv").write_text("body,topic\na,x\n")
    assert read(f"hf:{tmp_path}@train") == [("a", "x")]
    with pytest.raises(FileError, match=r"has the splits train; give one, as in .*@train"):
        read(f"hf:{tmp_path}")
    with pytest.raises(FileError, match="cannot be loaded"):
        read(f"hf:{tmp_path}/gone@train")


def test_arrow_files_are_read(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"body": ["a"], "topic": ["x"]}), str(tmp_path / "items.arrow"))
    assert read(tmp_path / "items.arrow") == [("a", "x")]
    (tmp_path / "items.arrow").write_bytes((tmp_path / "items.arrow").read_bytes()[:40])
    with pytest.raises(FileError, match="no whole Arrow file"):
        read(tmp_path / "items.arrow")


@pytest.fixture
def database(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "x.db") as made:
        made.execute("CREATE TABLE tickets (nr INTEGER, body TEXT, topic TEXT)")
        made.executemany("INSERT INTO tickets VALUES (?, ?, ?)", [(n, f"text {n}", "sports") for n in range(2_500)])
    return f"sqlite:///{tmp_path / 'x.db'}"


def test_the_rows_of_a_query_go_into_a_pool(cli: Cli, news: str, state: State, database: str) -> None:
    query = "SELECT nr, body FROM tickets WHERE nr < 2000"
    done = cli("pool", "add", news, query, "--db", database, "--text", "body", "--id", "nr", "--output", "json")
    assert (done.code, done.json["accepted"]) == (0, 2000), done.err
    assert state.items[news]["1999"].text == "text 1999"


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM tickets", "DROP TABLE tickets", "WITH x AS (SELECT 1) DELETE FROM tickets RETURNING body", ""],
)
def test_a_query_changes_nothing(query: str, database: str) -> None:
    with suppress(FileError, UnknownColumnError):
        list(ItemFile(query, columns=Columns(text="body"), database=database).blocks())
    assert len(read("SELECT body, topic FROM tickets", database)) == 2_500


@pytest.mark.parametrize(
    ("query", "url", "wanted"),
    [
        ("SELECT body FROM gone", None, "no such table"),
        ("SELECT 1", f"nosuch://me:{SECRET}@host/x", "cannot be used"),
        ("SELECT 1", f"sqlite:///{SECRET}\n/no/such/folder/x.db", "unable to open"),
        ("SELECT 1", SECRET, "give a URL such as"),
    ],
)
def test_what_is_wrong_with_a_database_is_said_without_its_password(
    query: str, url: str | None, wanted: str, database: str
) -> None:
    with pytest.raises(FileError, match=wanted) as raised:
        read(query, url or database)
    assert f":{SECRET}@" not in str(raised.value)
