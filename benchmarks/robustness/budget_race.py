"""Four server processes on one PostgreSQL spend one budget of 100 dollars on a paid model, while they are killed.

    python -m benchmarks.robustness.budget_race --kills 20

A thousand tasks, fifty at a time in each of twenty runs that are started at once, want to ask a local stand-in for the
Messages API, at prices that make the budget last for a few hundred answers. ``spent + reserved`` is read from the
database all the time. The exit code is 1 when it was ever above the limit, when the ledger does not add up, when the
endpoint has charged more than was booked, or when anything is still reserved after the last run has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import sqlalchemy as sa

from nextlabel.client import AsyncClient, NextlabelError, connect_async
from nextlabel.server.store.sql import schema
from tests.crash.audits.audit import rows_of
from tests.crash.audits.books import replayed_books
from tests.crash.killable.servers import Launcher, Server, kill, launcher, postgres
from tests.crash.workloads.history import CLASSES, DIMENSION, embeddings_of, text_of
from tests.crash.workloads.paid import USD_A_MILLION_TOKENS, paying_server, start_paid_run
from tests.fake_anthropic import Books, FakeAnthropic, FakePrice

PROJECT = "race"
TASKS_A_RUN = 50
LIMIT = 100_000_000


@dataclass(slots=True)
class Race:
    """What was seen. Money is in micro-dollars."""

    samples: int = 0
    most: int = 0
    kills: int = 0
    spent: int = 0
    reserved: int = 0
    presumed: int = 0
    charged: int = 0
    answers: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)


async def race(options: argparse.Namespace, folder: Path) -> Race:
    """Run the race in a folder of its own."""
    seen = Race()
    price = Fraction(USD_A_MILLION_TOKENS)
    books = Books(FakePrice(input=price, output=price))
    with postgres(folder / "postgres") as url:
        engine = sa.create_engine(url)
        async with FakeAnthropic(books=books, latency_s=0.2, keep_bodies=False) as endpoint, launcher() as launched:
            servers = [paying_server(f"{i}", folder, url, endpoint.url) for i in range(options.servers)]
            for server in servers:
                await launched.start(server)
            async with contextlib.AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(connect_async(s.address)) for s in servers]
                await _prepare(clients[0], options)
                watching = asyncio.create_task(_watch(engine, seen))
                for number in range(options.tasks // TASKS_A_RUN):
                    await start_paid_run(clients[number % len(clients)], PROJECT, TASKS_A_RUN, number)
                await _kill_until_ended(options, launched, servers, engine, seen)
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            seen.charged = books.micro_usd
        _check(engine, seen)
        engine.dispose()
    return seen


async def _prepare(client: AsyncClient, options: argparse.Namespace) -> None:
    await client.projects.create(PROJECT, labels=CLASSES, embeddings_given=True, dimension=DIMENSION)
    ids = [f"item-{i}" for i in range(options.items)]
    await client.pool.add(PROJECT, [{"id": i, "text": text_of(i)} for i in ids], embeddings=embeddings_of(ids))
    await client.budgets.set(PROJECT, "micro_usd", LIMIT)


async def _watch(engine: sa.Engine, seen: Race) -> None:
    """Read the balance as often as it goes."""
    query = sa.select(schema.budgets).where(schema.budgets.c.run == "", schema.budgets.c.window == "total")

    def sample() -> None:
        with engine.connect() as connection:
            row = connection.execute(query).mappings().one()
        total = row["spent_micro_usd"] + row["reserved_micro_usd"]
        seen.samples += 1
        seen.most = max(seen.most, total)
        if total > LIMIT:
            seen.breaches.append(f"{total} micro-dollars were spent or reserved at a sampled instant")

    while True:
        await asyncio.to_thread(sample)
        await asyncio.sleep(0.01)


async def _kill_until_ended(
    options: argparse.Namespace, launched: Launcher, servers: list[Server], engine: sa.Engine, seen: Race
) -> None:
    rng = random.Random(options.seed)
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        await asyncio.sleep(rng.uniform(0.3, 1.5))
        if seen.kills < options.kills:
            victim = rng.choice(servers)
            await kill(victim)
            seen.kills += 1
            await launched.start(victim)
        with engine.connect() as connection:
            states = [row.state for row in connection.execute(sa.select(schema.runs.c.state))]
        if all(state in ("finished", "failed") for state in states):
            return
    seen.breaches.append(f"runs had not ended after {options.seconds:g} s")


def _check(engine: sa.Engine, seen: Race) -> None:
    with engine.connect() as connection:
        rows = {
            table.name: rows_of(connection, sa.select(table))
            for table in (schema.ledger, schema.reservations, schema.budgets, schema.runs, schema.annotations)
        }
    seen.breaches += replayed_books(rows["ledger"], rows["reservations"], rows["budgets"])
    [project] = [b for b in rows["budgets"] if not b["run"]]
    seen.spent, seen.reserved = project["spent_micro_usd"], project["reserved_micro_usd"]
    seen.presumed = sum(r["presumed_micro_usd"] for r in rows["reservations"])
    seen.answers = len(rows["annotations"])
    for run in rows["runs"]:
        seen.ended[run["stop_reason"]] = seen.ended.get(run["stop_reason"], 0) + 1
    if seen.charged > seen.spent:
        seen.breaches.append(f"{seen.charged} micro-dollars were charged, {seen.spent} are booked")
    if seen.reserved:
        seen.breaches.append(f"{seen.reserved} micro-dollars are reserved after the last run has ended")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=300.0, help="when runs should have ended")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nextlabel-race-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            seen = asyncio.run(race(options, folder))
        except NextlabelError as error:
            sys.exit(f"error: {error}")
    print(f"{options.tasks} tasks, {seen.kills} kills of {options.servers} servers, {seen.answers} answers")
    print(f"runs ended: {seen.ended}")
    print(f"most spent or reserved in {seen.samples} samples: {seen.most / 1e6:.2f} of {LIMIT / 1e6:.2f} dollars")
    print(
        f"spent {seen.spent / 1e6:.2f}, {seen.presumed / 1e6:.2f} of it presumed; reserved {seen.reserved / 1e6:.2f}; "
        f"charged by the endpoint {seen.charged / 1e6:.2f}"
    )
    for breach in seen.breaches[:20]:
        print(f"BREACH {breach}")
    sys.exit(1 if seen.breaches else 0)


if __name__ == "__main__":
    main()
