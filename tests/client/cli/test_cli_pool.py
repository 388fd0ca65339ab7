"""The commands that fill a pool and look at it, against the fake server."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from nextlabel.client import Client, Columns
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import report_service_pb2 as pb
from tests.client.conftest import TRAIN, Cli
from tests.client.fake_state import State

NUMBERED = Columns(metadata=("n",))


@pytest.fixture
def pool(client: Client, news: str) -> str:
    client.pool.add(news, [{"id": f"i{n}", "text": f"text {n}", "n": n} for n in range(5)], columns=NUMBERED)
    return news


def test_items_are_listed_up_to_a_limit(cli: Cli, pool: str) -> None:
    done = cli("pool", "list", pool, "--limit", "3", "--output", "json")
    assert "the first 3; there are more: --limit" in done.err
    assert [found["item"]["text"] for found in done.json] == ["text 0", "text 1", "text 2"]
    table = cli("pool", "list", pool).out
    assert all(f"i{n} " in table and f"text {n}" in table for n in range(5))


def test_one_item_is_shown_with_its_metadata(cli: Cli, pool: str) -> None:
    assert cli("pool", "show", pool, "i3", "--output", "json").json["item"]["metadata"] == {"n": 3}
    assert "text 3" in cli("pool", "show", pool, "i3").out


def test_an_item_says_why_it_needs_another_answer(cli: Cli, pool: str, state: State) -> None:
    reason, detail = pool_pb2.NEED_REASON_INVALID, "label 'sprots' is no class"
    state.needs["i3"] = pool_pb2.ItemNeed(reason=reason, attempts=2, annotator="small", detail=detail)
    shown = " ".join(cli("pool", "show", pool, "i3").out.split())
    assert f"why invalid answers 2 newest_by small newest_says {detail}" in shown


def test_the_map_is_shown_and_written_as_its_file_is_named(cli: Cli, pool: str, tmp_path: Path) -> None:
    first, second, third = cli("pool", "map", pool, "--output", "json").json
    assert (first["label"], first["labeled"], first["confidence"]) == ("sports", True, None)
    assert (second["x"], second["confidence"], second["picked"]) == (-1, 0.75, False)
    assert (third["label"], third["labeled"]) == (None, False)
    assert "learner" in cli("pool", "map", pool).out
    table, picture = tmp_path / "map.csv", tmp_path / "map.svg"
    assert cli("pool", "map", pool, "--points", "2", "--to", str(table)).err == f"wrote 2 points to {table}\n"
    rows = list(csv.DictReader(table.open(encoding="utf-8-sig")))
    assert [(row["item_id"], row["text"]) for row in rows] == [("i1", "'=1+1"), ("i2", "a ball")]
    assert cli("pool", "map", pool, "--to", str(picture), "--color", "pick").code == 0
    assert picture.read_text() == f"{pb.PLOT_FORMAT_SVG} {pb.MAP_COLOR_PICK} 2000"
    refused = cli("pool", "map", pool, "--to", str(tmp_path / "map.gif"))
    assert refused.code != 0
    assert ".csv" in refused.err
    assert ".svg, .png" in refused.err


def test_items_are_deleted_after_asking_and_unknown_ids_reported(cli: Cli, pool: str, state: State) -> None:
    assert cli("pool", "delete", pool, "i1", stdin="n\n").code == 1
    assert "i1" in state.items[pool]
    done = cli("pool", "delete", pool, "i1", "nobody", "--yes")
    assert (done.code, done.err) == (1, "deleted 1 items\nno item has the id 'nobody'\n")
    assert "i1" not in state.items[pool]


def test_a_file_is_added_to_the_pool(cli: Cli, news: str, state: State, train_file: str) -> None:
    done = cli("pool", "add", news, train_file, "--output", "json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["accepted"], done.json["rejected"], done.json["malformed_lines"]) == (30, 0, 0)
    assert list(state.items[news]) == [record["id"] for record in TRAIN]


def test_columns_are_chosen_by_name(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("uuid,body,year\n7,hello,1999\n")
    assert cli("pool", "add", news, str(path), "--text", "body", "--id", "uuid", "--metadata", "year").code == 0
    (item,) = state.items[news].values()
    assert (item.id, item.text, dict(item.metadata)) == ("7", "hello", {"year": "1999"})


def test_standard_input_may_be_gzip(cli: Cli, news: str, state: State) -> None:
    packed = gzip.compress(b'{"text": "one"}\n{"text": "two"}\n')
    assert cli("pool", "add", news, "-", stdin=packed).code == 0
    assert [item.text for item in state.items[news].values()] == ["one", "two"]


def test_an_unknown_column_lists_the_columns(cli: Cli, news: str, train_file: str) -> None:
    done = cli("pool", "add", news, train_file, "--text", "body")
    assert done.code == 1
    assert done.err == (
        "error: text: there is no column 'body'; the columns are: id, text, label; name another one with --text\n"
    )


def test_malformed_lines_are_reported_and_the_rest_goes_in(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "one"}\nnot json\n{"text": 3}\n{"text": "two"}\n')
    done = cli("pool", "add", news, str(path), "--output", "json")
    assert done.code == 1
    assert (done.json["accepted"], done.json["rejected"], done.json["malformed_lines"]) == (2, 1, 1)
    assert "line 2: not valid JSON" in done.err
    assert "line 3, item ?: text: expected a text, got int" in done.err


def test_a_file_that_ends_in_the_middle_is_an_error_and_what_was_read_is_in(
    cli: Cli, news: str, state: State, tmp_path: Path
) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text('{"text": "one"}\n{"text": "tw')
    done = cli("pool", "add", news, str(path))
    assert done.code == 1
    assert "ends in the middle of line 2" in done.err
    assert [item.text for item in state.items[news].values()] == ["one"]


def test_embeddings_come_from_a_npy_file(cli: Cli, news: str, state: State, train_file: str, tmp_path: Path) -> None:
    matrix = tmp_path / "train.npy"
    np.save(matrix, np.ones((30, 4), np.float16))
    assert cli("pool", "add", news, train_file, "--embeddings", str(matrix)).code == 0
    assert state.embeddings[news][0].dimension == 4
    assert len(state.embeddings[news][0].data) == 30 * 4 * 2


def test_a_pickle_is_not_loaded_as_embeddings(cli: Cli, news: str, train_file: str, tmp_path: Path) -> None:
    matrix = tmp_path / "train.npy"
    np.save(matrix, np.array([{}], dtype=object), allow_pickle=True)
    done = cli("pool", "add", news, train_file, "--embeddings", str(matrix))
    assert done.code == 1
    assert "is no .npy file of numbers" in done.err


def test_pool_status_is_flat_json(cli: Cli, news: str, train_file: str) -> None:
    cli("pool", "add", news, train_file, "--wait")
    assert cli("pool", "status", news, "--output", "json").json["pool"] == 30
