"""Calls that are waiting for paid answers when their server is killed."""

import asyncio
from fractions import Fraction
from pathlib import Path

import sqlalchemy as sa

from nextlabel.client import connect_async
from nextlabel.server.store.sql import schema
from nextlabel.v1 import run_service_pb2 as runs
from tests.crash.audits.audit import rows_of
from tests.crash.audits.books import replayed_books
from tests.crash.killable.servers import kill, launcher
from tests.crash.workloads.history import CLASSES, DIMENSION, embeddings_of, text_of
from tests.crash.workloads.paid import USD_A_MILLION_TOKENS, paying_server, start_paid_run
from tests.fake_anthropic import Books, FakeAnthropic, FakePrice

TASKS = 6


async def test_calls_that_a_kill_cut_off_count_as_spent_at_the_worst_and_block_nothing(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/data/state.db"
    price = Fraction(USD_A_MILLION_TOKENS)
    charges = Books(FakePrice(input=price, output=price))
    async with FakeAnthropic(books=charges, latency_s=3.0) as endpoint, launcher() as launched:
        server = paying_server("a", tmp_path, url, endpoint.url)
        await launched.start(server)
        async with connect_async(server.address) as client:
            await client.projects.create("paid", labels=CLASSES, embeddings_given=True, dimension=DIMENSION)
            ids = [f"item-{i}" for i in range(20)]
            await client.pool.add("paid", [{"id": i, "text": text_of(i)} for i in ids], embeddings=embeddings_of(ids))
            await client.budgets.set("paid", "micro_usd", 50_000_000)
            run = await start_paid_run(client, "paid", TASKS, max_rounds=1)
            while endpoint.most_in_flight < TASKS:  # noqa: ASYNC110  (the endpoint tells nobody)
                await asyncio.sleep(0.02)
            await kill(server)
            endpoint.latency_s = 0.0
            await launched.start(server)
            ended = await run.wait()
            budget = await client.budgets.get("paid", "micro_usd")
            left = [r async for r in client.budgets.reservations("paid")]
    assert (ended.stop_reason, left, budget.reserved) == (runs.STOP_REASON_MAX_ROUNDS, [], 0)
    assert budget.settled >= charges.micro_usd
    assert budget.presumed > 0
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        tables = [rows_of(connection, sa.select(t)) for t in (schema.ledger, schema.reservations, schema.budgets)]
    engine.dispose()
    assert replayed_books(*tables) == []
    presumed = [line for line in tables[0] if line["line"].endswith("/presumed")]
    assert len(presumed) == TASKS
    assert sum(line["amount_micro_usd"] for line in presumed) == budget.presumed
