"""A run that is paused through one server while another one drives it, before both are killed."""

import asyncio
from fractions import Fraction
from pathlib import Path

import sqlalchemy as sa

from nextlabel.client import anthropic, connect_async, human, run_spec
from nextlabel.server.store.sql import schema
from nextlabel.v1 import run_service_pb2 as runs
from tests.crash.audits.audit import rows_of
from tests.crash.audits.books import replayed_books
from tests.crash.killable.servers import kill, launcher
from tests.crash.workloads.history import CLASSES, DIMENSION, embeddings_of, text_of
from tests.crash.workloads.paid import MODEL, USD_A_MILLION_TOKENS, paying_server
from tests.fake_anthropic import Books, FakeAnthropic, FakePrice

TASKS = 2
IDS = [f"item-{n}" for n in range(24)]


async def test_a_paused_run_asks_nothing_after_kills_until_it_is_resumed(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/data/state.db"
    price = Fraction(USD_A_MILLION_TOKENS)
    charges = Books(FakePrice(input=price, output=price))
    async with FakeAnthropic(books=charges, latency_s=1.0) as endpoint, launcher() as launched:
        driving, other = (paying_server(name, tmp_path, url, endpoint.url) for name in "ab")
        for server in (driving, other):
            server.settings["workers"] = 2
        # Whoever watches workers takes their folder before they start.
        (tmp_path / "data").mkdir()
        await launched.start(driving)
        async with connect_async(driving.address) as client, connect_async(other.address) as elsewhere:
            await client.projects.create("paid", labels=CLASSES, embeddings_given=True, dimension=DIMENSION)
            await client.pool.add("paid", [{"id": i, "text": text_of(i)} for i in IDS], embeddings=embeddings_of(IDS))
            annotator = anthropic(MODEL, prompt=runs.PromptOptions(max_concurrency=TASKS))
            spec = run_spec(annotator, strategy="random", batch_size=len(IDS), max_rounds=1)
            run = await client.runs.start("paid", spec)
            while endpoint.most_in_flight < TASKS:  # noqa: ASYNC110  (the endpoint tells nobody)
                await asyncio.sleep(0.02)
            await launched.start(other)
            paused = await elsewhere.runs.pause("paid", run.run_id)
            while [r async for r in elsewhere.budgets.reservations("paid")]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            sent, bought = len(endpoint.requests), (await run.get()).spent.labels
            for server in (driving, other):
                await kill(server)
            endpoint.latency_s = 0.0
            await launched.start(driving)
            # It is over only when the engine has looked at all runs.
            stopped = await client.runs.start("paid", run_spec(human()))
            await stopped.stop()
            await stopped.wait()
            after_kills, sent_after_kills = await run.get(), len(endpoint.requests)
            await run.resume()
            ended = await run.wait()
    assert (paused.state, after_kills.state) == (runs.RUN_STATE_PAUSED, runs.RUN_STATE_PAUSED)
    assert 0 < bought < len(IDS), "the server that drove it heard of the pause in the middle of the batch"
    assert sent_after_kills == sent
    assert (after_kills.spent.labels, after_kills.reserved) == (bought, type(after_kills.reserved)())
    assert (ended.stop_reason, ended.rounds) == (runs.STOP_REASON_MAX_ROUNDS, 1)
    asked = [request["messages"][0]["content"] for request in endpoint.requests]
    assert all(sum(text_of(i) in text for text in asked) == 1 for i in IDS), "each is paid for once"
    assert (ended.spent.labels, ended.spent.micro_usd) == (len(IDS), charges.micro_usd)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        tables = [rows_of(connection, sa.select(t)) for t in (schema.ledger, schema.reservations, schema.budgets)]
    engine.dispose()
    assert replayed_books(*tables) == []
