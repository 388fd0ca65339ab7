"""`run stop` means: no new call, and what is under way is kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, PromptOptions
from nextlabel.server.values.runs.runs import Plateau, RunSpec, RunState, StopReason
from tests.domain.llm_service import MODEL, LlmService, strategy
from tests.domain.service import CLASSES
from tests.fake_anthropic import Asked, FakeAnthropic

WORKERS = 4


class Counting:
    """A model that tells when it has been asked so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.reached = asyncio.Event()

    def __call__(self, asked: Asked) -> Any:
        self.left -= 1
        if not self.left:
            self.reached.set()
        return {"label": asked.labels[0], "confidence": 0.9}


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with FakeAnthropic(brain=Counting(20), latency_s=0.02) as fake:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        service = LlmService(tmp_path, fake)
        service.parts.start()
        yield service
        await service.close()


async def test_a_stop_in_the_middle_of_a_round_sends_no_new_call_and_keeps_those_under_way(
    service: LlmService,
) -> None:
    project = await service.create()
    items = [f"i{n}" for n in range(200)]
    await service.add(project, items, labels=[CLASSES[n % 3] for n in range(200)])
    choice = AnthropicOptions(MODEL, prompt=PromptOptions(max_concurrency=WORKERS))
    spec = RunSpec(choice, strategy("random"), 200, 0.0, Cost(micro_usd=10_000_000), 0.0, 0.0, Plateau(), 0, 1)
    store, runs = service.parts.base.store, service.parts.runs.runs
    run = await store.write(lambda tx: runs.start(tx, project, spec))
    service.parts.runs.engine.wake()
    assert isinstance(service.fake.brain, Counting)
    await service.fake.brain.reached.wait()
    await store.write(lambda tx: runs.stop(tx, project, run.id))
    sent = len(service.fake.requests)
    ended = await service.ended(run.id)
    assert (ended.state, ended.stop_reason, ended.message) == (
        RunState.FINISHED,
        StopReason.STOPPED,
        "stopped by an operator",
    )
    assert len(service.fake.requests) <= sent + WORKERS
    given = await store.read(lambda tx: tx.labeling.annotations(project.id))
    assert len(given) == service.fake.books.charged_requests - 1, "all but the probe's"
    total = await store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert total.micro_usd == service.fake.books.micro_usd
    assert await store.read(lambda tx: tx.budgets.open_reservations(project.id)) == []
