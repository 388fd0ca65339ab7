"""`run stop` means: no new call, and what is under way is kept."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, PromptOptions
from nextlabel.server.values.runs.runs import Plateau, RunSpec, RunState, StopReason
from tests.domain.llm_service import MODEL, LlmService, strategy
from tests.domain.service import CLASSES
from tests.fake_anthropic import Asked, FakeAnthropic, Fault

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


async def open_books(service: LlmService, project: Project) -> tuple[int, int]:
    """How many message batches and reservations are open."""
    store = service.parts.base.store
    intents = await store.read(lambda tx: tx.budgets.intents(project.id))
    reservations = await store.read(lambda tx: tx.budgets.open_reservations(project.id))
    return len(intents), len(reservations)


async def test_message_batches_that_an_ended_run_left_are_collected_and_never_paid_again(service: LlmService) -> None:
    project = await service.create()
    await service.add(project, [f"i{n}" for n in range(6)])
    asked: dict[str, Any] = {"prompt": {"message_batches": True}, "batch_size": 6, "limit": Cost(labels=6)}
    service.fake.batches.faults["retrieve"] = deque([Fault(status=401, error_type="authentication_error")])
    failed = await service.llm_run(project, **asked)
    assert failed.state is RunState.FAILED
    assert await open_books(service, project) == (1, 6)
    left = service.parts.upkeep.left_batches
    service.fake.batch_steps = 3
    await left.collect_all()
    assert await open_books(service, project) == (1, 6), "it is under way: it is left to run"
    service.fake.batch_steps = 1
    await asyncio.gather(left.collect_all(), left.collect_all())
    assert await open_books(service, project) == (0, 0)
    total = await service.parts.base.store.read(
        lambda tx: service.parts.projects.budgets.spent(tx, project.id, failed.id)
    )
    assert total.micro_usd == service.fake.books.micro_usd
    again = await service.llm_run(project, **asked)
    assert (again.state, again.stop_reason) == (RunState.FINISHED, StopReason.BUDGET)
    assert len(service.fake.batches.created) == 1


async def test_message_batches_left_at_one_endpoint_are_collected_while_a_run_waits_at_another(
    service: LlmService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeAnthropic(brain=Counting(20), batch_steps=10**6) as other:
        monkeypatch.setitem(service.parts.llm.connections.settings.keys, other.url, SecretStr("another-key"))
        project = await service.create()
        await service.add(project, [f"i{n}" for n in range(6)])
        service.fake.batches.faults["retrieve"] = deque([Fault(status=401, error_type="authentication_error")])
        failed = await service.llm_run(project, {"message_batches": True}, batch_size=6, limit=Cost(labels=6))
        assert failed.state is RunState.FAILED
        elsewhere = AnthropicOptions(MODEL, other.url, PromptOptions(message_batches=True))
        spec = replace(failed.spec, annotator=elsewhere)
        store, runs = service.parts.base.store, service.parts.runs.runs
        waiting = await store.write(lambda tx: runs.start(tx, project, spec))
        await service.parts.upkeep.left_batches.collect_all()
        intents = await store.read(lambda tx: tx.budgets.intents(project.id))
        assert service.fake.url not in {intent.origin for intent in intents}
        spent = await store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id, failed.id))
        assert spent.micro_usd == service.fake.books.micro_usd > 0
        await store.write(lambda tx: runs.stop(tx, project, waiting.id))


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
