"""Kills an annotating process at a random moment, starts it again, and audits what was paid.

Every annotation type has its turn, one call after the other or in batches. The tests use a few runs;
`benchmarks/annotators/llm.py --bar crashes` as many as one likes.
"""

import asyncio
import multiprocessing
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.message_batches import MessageBatchAnnotator, MessageBatchPolicy
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.message_batch_calls import MessageBatchCalls, MessageBatchWaits
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.technique import Technique
from tests.annotators.durable import DurableLedger
from tests.annotators.kinds import KINDS, Kind
from tests.annotators.shop import FAST, MODEL, PRICE
from tests.fake_anthropic import FakeAnthropic, Faults
from tests.fake_anthropic.faults import overloaded, rate_limited

CONCURRENCY = 4
ITEMS = 24
PACKED = 3
LIMIT_MICRO_USD = 200_000
EXHAUSTED = 3


def work(url: str, path: str, batches: bool, limit: int, kind: Kind) -> None:
    """Annotate everything, in a process of its own. Exit code 3: the budget is exhausted."""
    from nextlabel.server.values.errors import BudgetExhausted

    try:
        asyncio.run(_annotate(url, Path(path), batches, limit, kind))
    except BudgetExhausted:
        sys.exit(EXHAUSTED)


async def _annotate(url: str, path: Path, batches: bool, limit: int, kind: Kind) -> None:
    from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
    from nextlabel.server.annotators.llm.asking import ModelSettings

    ledger = DurableLedger(path, limit)
    endpoint = AnthropicEndpoint(AnthropicConnection(api_key="key", base_url=url))
    account, manners = Account(), Manners(FAST)
    single = LlmAnnotator(
        name="claude",
        endpoint=endpoint,
        settings=ModelSettings(model=MODEL),
        price=PRICE,
        ledger=ledger,
        technique=Technique(items_per_request=PACKED),
        conduct=Conduct(concurrency=CONCURRENCY),
        account=account,
        manners=manners,
    )
    waits = MessageBatchWaits(poll_s=0.02, grace_s=0.3)
    batching = MessageBatchAnnotator(
        annotator=single,
        calls=MessageBatchCalls(endpoint, ledger, account.throttle, manners, waits),
        ledger=ledger,
        price=PRICE,
        account=account,
        policy=MessageBatchPolicy(max_requests=4),
    )
    annotator = batching if batches else single
    async for _ in annotator.annotate(kind.task, kind.items(ITEMS)):
        pass
    await annotator.close()


@dataclass
class Audit:
    """What was found over all runs; all `wrong` lists have to stay empty."""

    runs: int = 0
    killed: int = 0
    killed_before_the_end: int = 0
    lost_in_flight: int = 0
    exhausted: int = 0
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, claim: str) -> None:
        if not holds:
            self.wrong.append(f"run {self.runs}: {claim}")


async def audit_runs(runs: int, seed: int, folder: Path) -> Audit:
    audit = Audit()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["anthropic", "httpx2", "aiohttp", "tests.annotators.crashes"])
    rng = random.Random(seed)
    for number in range(runs):
        batches = number % 2 == 1
        tight = number % 7 == 4
        limit = 12_000 if tight else LIMIT_MICRO_USD
        kind = KINDS[number % len(KINDS)]
        await _one_run(audit, context, rng, folder / f"{number}.sqlite", batches, limit, kind)
        audit.runs += 1
    return audit


async def _one_run(
    audit: Audit,
    context: multiprocessing.context.ForkServerContext,
    rng: random.Random,
    path: Path,
    batches: bool,
    limit: int,
    kind: Kind,
) -> None:
    faults = Faults(rates=[(0.1, rate_limited(0.02)), (0.05, overloaded())], seed=rng.randrange(10**6))
    async with FakeAnthropic(faults=Faults() if batches else faults, latency_s=0.03, batch_steps=2) as fake:
        ledger = DurableLedger(path, limit)
        kills = rng.choice((1, 1, 1, 2, 3))
        for _ in range(kills):
            process = context.Process(target=work, args=(fake.url, str(path), batches, limit, kind))
            process.start()
            await asyncio.sleep(rng.uniform(0.0, 0.7))
            if process.is_alive():
                audit.killed_before_the_end += 1
            process.kill()
            await asyncio.to_thread(process.join)
            audit.killed += 1
            audit.expect(ledger.spent() + ledger.reserved() <= limit, "ledger above the limit after a kill")
            audit.expect(fake.books.micro_usd <= limit, "charged above the limit after a kill")
        process = context.Process(target=work, args=(fake.url, str(path), batches, limit, kind))
        process.start()
        await asyncio.to_thread(process.join)
        audit.exhausted += process.exitcode == EXHAUSTED
        audit.expect(process.exitcode in (0, EXHAUSTED), f"exit code {process.exitcode}")
        audit.expect(limit != LIMIT_MICRO_USD or process.exitcode == 0, "not finished although there was money")
        _audit_books(audit, fake, ledger, kills, batches, limit)


def _audit_books(
    audit: Audit, fake: FakeAnthropic, ledger: DurableLedger, kills: int, batches: bool, limit: int
) -> None:
    booked = ledger.spent() + ledger.reserved()
    audit.expect(booked <= limit, "ledger above the limit")
    audit.expect(fake.books.micro_usd <= booked, f"charged {fake.books.micro_usd}, booked only {booked}")
    lost = fake.books.charged_requests - ledger.settlements()
    audit.lost_in_flight += lost
    in_flight = 0 if batches else kills * CONCURRENCY
    audit.expect(0 <= lost <= in_flight, f"{lost} paid answers lost with at most {in_flight} in flight")
    if batches:
        audit.expect(ledger.open_reservations() == 0, "reservations left open although every batch was found")
        audit.expect(ledger.spent() == fake.books.micro_usd, "spend differs from what was charged")
