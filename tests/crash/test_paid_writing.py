"""Texts and critiques that an LLM is paid for while the server is killed: what was settled is found again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from fractions import Fraction
from pathlib import Path
from typing import Any

from nextlabel.client import AsyncClient, anthropic, connect_async, run_spec
from tests.crash.killable.servers import Launcher, Server, kill, launcher
from tests.crash.workloads.paid import MODEL, USD_A_MILLION_TOKENS, paying_server
from tests.embedded.conftest import encoder  # noqa: F401
from tests.fake_anthropic import Asked, Books, FakeAnthropic, FakePrice, Scripted
from tests.fake_anthropic.brains import compose

PROJECT = "written"
CLASSES = ("left", "right")
AT_A_TIME = 8
"""Calls that the server has open at once."""

CALLS = 20


def says(asked: Asked) -> Any:
    """Everything is left, but the guidelines could be better."""
    properties = asked.schema.get("properties", {})
    if "guidelines" in properties:
        return {"critique": "They do not tell right.", "guidelines": "Left is where the heart is."}
    if "texts" in properties:
        tag = str(sum(asked.user.encode()) % 9973)
        return {"texts": [f"turn left at lane {tag} {n}" for n in range(5)]}
    # A probe of the endpoint has labels of its own.
    return compose(asked, lambda _: "left" if "left" in asked.labels else asked.labels[0])


@contextlib.asynccontextmanager
async def paid_project(
    folder: Path,
    encoder_folder: str,
    fake: FakeAnthropic,
    launched: Launcher,
) -> AsyncIterator[tuple[Server, AsyncClient]]:
    server = paying_server("a", folder, f"sqlite:///{folder}/data/state.db", fake.url)
    server.settings["embedding"] = {"model": encoder_folder}
    await launched.start(server)
    async with connect_async(server.address, timeout_s=30) as client:
        await client.projects.create(PROJECT, labels=CLASSES)
        rows = [{"id": f"i{n}", "text": f"turn {CLASSES[n % 2]} at street {n}"} for n in range(20)]
        gold = [{"id": f"g{n}", "text": f"go {CLASSES[n % 2]} by way {n}", "label": CLASSES[n % 2]} for n in range(24)]
        await client.pool.add(PROJECT, gold, split="gold")
        await client.pool.add(PROJECT, rows)
        await client.labeling.submit(PROJECT, {f"i{n}": CLASSES[n % 2] for n in range(12)}, annotator="ann")
        async with asyncio.timeout(60):
            async for status in client.pool.watch(PROJECT):
                if not status.counts.awaiting_embedding:
                    break
        await client.learner.train(PROJECT)
        yield server, client


async def asked_for(fake: FakeAnthropic, count: int, call: Awaitable[Any]) -> asyncio.Task[Any]:
    """Begin a call, and return once the endpoint has been asked so many questions more."""
    enough = len(fake.requests) + count
    task = asyncio.ensure_future(call)
    async with asyncio.timeout(60):
        while len(fake.requests) < enough:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
    return task


async def killed(server: Server, launched: Launcher, task: asyncio.Task[Any]) -> None:
    await kill(server)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
    await launched.start(server)


async def test_a_kill_loses_no_text_and_no_critique_that_was_settled(tmp_path: Path, encoder: str) -> None:  # noqa: F811
    price = Fraction(USD_A_MILLION_TOKENS)
    charges = Books(FakePrice(input=price, output=price))
    async with (
        FakeAnthropic(brain=Scripted(says), books=charges) as fake,
        launcher() as launched,
        paid_project(tmp_path, encoder, fake, launched) as (server, client),
    ):

        def write() -> Awaitable[Any]:
            return client.synthesis.synthesize(
                PROJECT, "left", count=5 * CALLS, annotator=anthropic(MODEL), timeout_s=60
            )

        fake.latency_s = 0.3
        await killed(server, launched, await asked_for(fake, AT_A_TIME + 4, write()))
        fake.latency_s = 0.0
        before = len(fake.requests)
        found = await write()
        # A question is asked when another was settled, but for the first few.
        assert len(fake.requests) - before <= CALLS - (before - AT_A_TIME)
        assert len(found.texts) == 5 * CALLS
        again = len(fake.requests)
        assert (await write()).texts == found.texts
        assert len(fake.requests) == again

        spec = run_spec(anthropic(MODEL), max_rounds=1)
        ended = await (await client.runs.start(PROJECT, spec)).wait()
        assert ended.spent.labels, ended.detail

        def criticise() -> Awaitable[Any]:
            return client.guidelines.propose(PROJECT, measure_on_gold=True, timeout_s=60)

        fake.latency_s = 0.3
        first = len(fake.requests)
        await killed(server, launched, await asked_for(fake, 2, criticise()))
        fake.latency_s = 0.0
        proposal = await criticise()
        critiques = [body for body in fake.requests[first:] if "critique" in Asked(body).schema.get("properties", {})]
        assert len(critiques) == 1
        assert proposal.guidelines.text == "Left is where the heart is."
        budget = await client.budgets.get(PROJECT, "micro_usd")
        # What the kills cut off stays reserved for as long as such a call can last.
        assert budget.settled + budget.reserved >= charges.micro_usd
