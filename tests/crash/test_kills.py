"""Short runs of benchmarks/robustness/kills.py, and proof that its audit sees what it is there for."""

from pathlib import Path
from typing import Any

import pytest

from tests.crash.audits.books import replayed_books
from tests.crash.kills import Plan, run_kills
from tests.store.lance_pool.s3_servers import BUCKET, aws_environment, s3_server


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_nothing_acknowledged_is_lost_or_doubled_by_kills(store: str, tmp_path: Path):
    outcome = await run_kills(Plan(kills=3, store=store, seed=0, longest_life_s=1.5), tmp_path)
    assert outcome.breaches == []
    assert outcome.kills == 3
    assert outcome.counts["items"] > 0


async def test_nothing_in_a_bucket_is_lost_or_doubled_by_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with s3_server() as endpoint:
        for name, value in aws_environment(endpoint).items():
            monkeypatch.setenv(name, value)
        plan = Plan(kills=2, store="sqlite", seed=0, pool_url=f"s3://{BUCKET}/kills", longest_life_s=5.0)
        outcome = await run_kills(plan, tmp_path)
    assert outcome.breaches == []
    assert outcome.counts["items"] > 0


def line(number: int, kind: str, labels: int, reservation: str = "r", text: str = "labels") -> dict[str, Any]:
    amounts = {"amount_labels": labels, "amount_tokens": 0, "amount_micro_usd": 0}
    return {"id": number, "kind": kind, "run": "", "reservation": reservation, "line": text, **amounts}


def reservation(labels: int) -> dict[str, Any]:
    return {"id": "r", "remaining_labels": labels, "remaining_tokens": 0, "remaining_micro_usd": 0}


def budget(spent: int, reserved: int, limit: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"run": "", "window": "total"}
    for name, labels in (("spent", spent), ("reserved", reserved), ("limit", limit)):
        rest = None if name == "limit" else 0
        row |= {f"{name}_labels": labels, f"{name}_tokens": rest, f"{name}_micro_usd": rest}
    return row


LIMIT = line(1, "set_limit", 10, "", "total/labels/limit")
SOUND = [LIMIT, line(2, "reserve", 10), line(3, "settle", 4), line(4, "release", 2)]


def test_books_that_add_up_are_no_breach():
    assert replayed_books(SOUND, [reservation(4)], [budget(4, 4, 10)]) == []


@pytest.mark.parametrize(
    ("ledger", "reservations", "budgets", "breach"),
    [
        ([LIMIT, line(2, "reserve", 11)], [reservation(11)], [], "11 labels are spent or reserved, the limit is 10"),
        ([*SOUND, line(5, "reserve", 10)], [], [], "made twice"),
        ([LIMIT, line(2, "settle", 1)], [], [], "without a reservation"),
        ([*SOUND, line(5, "release", 5)], [], [], "5 labels are released, 4 were reserved"),
        (SOUND, [reservation(3)], [], "keeps"),
        (SOUND, [], [budget(5, 4, 10)], "says spent"),
        (SOUND[:-1], [], [budget(4, 4, 10)], "says reserved"),
        (SOUND[1:], [], [budget(4, 4, 10)], "says limit"),
    ],
)
def test_books_that_do_not_add_up_are_a_breach(
    ledger: list[dict[str, Any]], reservations: list[dict[str, Any]], budgets: list[dict[str, Any]], breach: str
):
    assert any(breach in found for found in replayed_books(ledger, reservations, budgets))
