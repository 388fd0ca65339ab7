"""A delivery that is cut off goes on where it was."""

import csv
from pathlib import Path

import grpc
import pytest

from tests.client.conftest import Cli
from tests.client.fake_state import State, error_info, rich_status

CHANGED = rich_status(grpc.StatusCode.FAILED_PRECONDITION, "forgotten", error_info("DELIVERY_CHANGED"))
GONE = rich_status(grpc.StatusCode.FAILED_PRECONDITION, "no disk", error_info("FAILED_PRECONDITION"))


@pytest.fixture
def cut(cli: Cli, news: str, state: State, tmp_path: Path) -> Path:
    """A file whose delivery was cut off after the first of two pages."""
    to = tmp_path / "labeled.csv"
    state.refuse_pages["1"] = [GONE]
    said = cli("quality", "deliver", news, "--accuracy", "0.9", "--to", str(to))
    assert (said.code, to.exists()) == (1, False)
    assert f"1 items are kept in {to}.partial: the same command goes on from there" in said.err
    return to


def ids(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig") as rows:
        return [row["id"] for row in csv.DictReader(rows)]


def test_it_goes_on_after_what_was_kept(cli: Cli, news: str, state: State, cut: Path) -> None:
    state.refuse_pages = {"": [GONE]}
    said = cli("quality", "deliver", news, "--accuracy", "0.9", "--to", str(cut))
    assert (said.code, ids(cut)) == (0, ["item-0", "item-1"])
    assert "going on after 1 items" in said.err
    assert not cut.with_name(f"{cut.name}.partial").exists()


@pytest.mark.parametrize("broken", [b'{"row": {"id": "item-1"', b'{"row": {"id": "item-1"}}\n', b"\xff\n"])
def test_what_a_kill_left_half_written_is_dropped(cli: Cli, news: str, state: State, cut: Path, broken: bytes) -> None:
    with cut.with_name(f"{cut.name}.partial").open("ab") as kept:
        kept.write(broken)
    assert cli("quality", "deliver", news, "--accuracy", "0.9", "--to", str(cut)).code == 0
    assert ids(cut) == ["item-0", "item-1"]


def test_another_promise_and_afresh_begin_again(cli: Cli, news: str, state: State, cut: Path) -> None:
    state.refuse_pages = {"1": [GONE, GONE]}
    other = cli("quality", "deliver", news, "--accuracy", "0.8", "--to", str(cut))
    assert "going on" not in other.err
    again = cli("quality", "deliver", news, "--accuracy", "0.8", "--to", str(cut), "--afresh")
    assert "going on" not in again.err
    assert cli("quality", "deliver", news, "--accuracy", "0.8", "--to", str(cut), "--afresh").code == 0
    assert ids(cut) == ["item-0", "item-1"]


def test_a_listing_that_the_server_has_forgotten_begins_again(cli: Cli, news: str, state: State, cut: Path) -> None:
    state.refuse_pages = {"1": [CHANGED]}
    said = cli("quality", "deliver", news, "--accuracy", "0.9", "--to", str(cut))
    assert (said.code, ids(cut)) == (0, ["item-0", "item-1"])
    assert "1 items that came before are of no use, beginning again" in said.err
