"""The commands that look at a pool, against the fake server."""

import pytest

from nextlabel.client import Client, Columns
from tests.client.conftest import Cli
from tests.client.fake_state import State

NUMBERED = Columns(metadata=("n",))


@pytest.fixture
def pool(client: Client, news: str) -> str:
    client.pool.add(news, [{"id": f"i{n}", "text": f"text {n}", "n": n} for n in range(5)], columns=NUMBERED)
    return news


def test_items_are_listed_up_to_a_limit(cli: Cli, pool: str) -> None:
    done = cli("pool", "list", pool, "--limit", "3", "--output", "json")
    assert [found["item"]["text"] for found in done.json] == ["text 0", "text 1", "text 2"]
    table = cli("pool", "list", pool).out
    assert all(f"i{n} " in table and f"text {n}" in table for n in range(5))


def test_one_item_is_shown_with_its_metadata(cli: Cli, pool: str) -> None:
    assert cli("pool", "show", pool, "i3", "--output", "json").json["item"]["metadata"] == {"n": 3}
    assert "text 3" in cli("pool", "show", pool, "i3").out


def test_items_are_deleted_after_asking_and_unknown_ids_reported(cli: Cli, pool: str, state: State) -> None:
    assert cli("pool", "delete", pool, "i1", stdin="n\n").code == 1
    assert "i1" in state.items[pool]
    done = cli("pool", "delete", pool, "i1", "nobody", "--yes")
    assert (done.code, done.err) == (1, "deleted 1 items\nno item has the id 'nobody'\n")
    assert "i1" not in state.items[pool]
