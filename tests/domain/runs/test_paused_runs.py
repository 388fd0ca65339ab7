"""A paused run asks nothing, keeps what it has, and goes on where it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.leases import Leased
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, PromptOptions
from nextlabel.server.values.runs.events import RunPaused, RunResumed
from nextlabel.server.values.runs.runs import Plateau, Run, RunSpec, RunState, StopReason
from tests.domain.llm_service import MODEL, LlmService
from tests.domain.service import CLASSES
from tests.fake_anthropic import Asked, FakeAnthropic

WORKERS = 4
ITEMS = 40
FIRST = 12


class Held:
    """A model that gives its first answers at once and is then slow, until it is let go."""

    def __init__(self, fake: FakeAnthropic) -> None:
        self._fake = fake
        self.latency_s = 0.5
        self.reached = asyncio.Event()

    def __call__(self, asked: Asked) -> Any:
        asked_so_far = len(self._fake.requests)
        if asked_so_far > FIRST:
            self._fake.latency_s = self.latency_s
            self.reached.set()
        return {"label": asked.labels[asked_so_far % 2], "confidence": 0.9}

    def let_go(self) -> None:
        self._fake.latency_s = self.latency_s = 0.0


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic() as endpoint:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.url)
        yield endpoint


Open = Callable[[], Awaitable[LlmService]]


@pytest.fixture
async def opened(tmp_path: Path, fake: FakeAnthropic) -> AsyncIterator[Open]:
    """Opens the server, after the one opened before is closed."""
    services: list[LlmService] = []

    async def begin() -> LlmService:
        for service in services:
            await service.close()
        services[:] = [LlmService(tmp_path, fake)]
        services[0].parts.start()
        return services[0]

    yield begin
    for service in services:
        await service.close()


async def read(service: LlmService, work: Callable[[Transaction], Any]) -> Any:
    return await service.parts.base.store.read(work)


async def turned(service: LlmService, project: Project, run: Run, verb: str) -> Run:
    runs, store = service.parts.runs.runs, service.parts.base.store
    found: Run = await store.write(lambda tx: getattr(runs, verb)(tx, project, run.id))
    service.parts.runs.engine.wake()
    return found


async def paused_in_a_round(service: LlmService) -> tuple[Project, Run]:
    """A project with a run of one round that was paused in the middle of it and has let go."""
    held = Held(service.fake)
    service.fake.brain = held
    project = await service.create()
    await service.add(project, [f"i{n:02}" for n in range(ITEMS)])
    choice = AnthropicOptions(MODEL, prompt=PromptOptions(max_concurrency=WORKERS))
    spec = RunSpec(choice, Component("random"), ITEMS, 0.0, Cost(labels=ITEMS), 0.0, 0.0, Plateau(), 1, 1)
    store, runs = service.parts.base.store, service.parts.runs.runs
    run = await store.write(lambda tx: runs.start(tx, project, spec))
    service.parts.runs.engine.wake()

    async def has_labels() -> bool:
        return bool(await read(service, lambda tx: tx.labeling.annotations(project.id)))

    await held.reached.wait()
    await service.until(has_labels)
    paused = await turned(service, project, run, "pause")
    assert paused.state is RunState.PAUSED
    sent = len(service.fake.requests)

    async def let_go() -> bool:
        return not await read(service, lambda tx: tx.budgets.open_reservations(project.id))

    await service.until(let_go)
    assert len(service.fake.requests) <= sent + WORKERS
    held.let_go()
    return project, paused


async def test_a_paused_run_survives_a_restart_and_goes_on_with_its_batch(opened: Open, fake: FakeAnthropic) -> None:
    service = await opened()
    project, run = await paused_in_a_round(service)
    given = await read(service, lambda tx: tx.labeling.annotations(project.id))
    assert len(given) == fake.books.charged_requests - 1, "all but the probe's are kept"
    spent = await read(service, lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert (spent.labels, spent.micro_usd) == (len(given), fake.books.micro_usd)
    assert await read(service, lambda tx: tx.models.list(project.id)) == []

    sent = len(fake.requests)
    service = await opened()
    # Another run is over only after the engine has looked at all of them.
    other = await service.replay_run(project, {given[0].item_id: CLASSES[0]}, max_rounds=1)
    assert other.state.ended
    assert await read(service, lambda tx: tx.runs.get(run.id)) == run
    assert len(fake.requests) == sent
    counts = await service.parts.reports.reports.pool_counts(project)
    assert counts.states[ItemState.PICKED] == ITEMS - len(given), "its batch is kept for it"
    assert counts.states[ItemState.ASKED] == 0, "nobody is asked meanwhile"

    assert (await turned(service, project, run, "resume")).state is RunState.RUNNING
    ended = await service.ended(run.id)
    assert (ended.state, ended.stop_reason, ended.round) == (RunState.FINISHED, StopReason.BUDGET, 1)
    about = [request["messages"][0]["content"] for request in fake.requests]
    annotated = await read(service, lambda tx: tx.labeling.annotations(project.id))
    of_run = [a for a in annotated if a.annotator == given[0].annotator]
    assert len(of_run) == len({a.row for a in of_run}) == ITEMS
    assert all(sum(f"text of {a.item_id}" in text for text in about) == 1 for a in of_run), "none is paid for twice"
    events = await read(service, lambda tx: tx.runs.events(run.id, 0, 999))
    told = [type(event.happening) for event in events if isinstance(event.happening, RunPaused | RunResumed)]
    assert told == [RunPaused, RunResumed]
    [model] = [m for m in await read(service, lambda tx: tx.models.list(project.id)) if m.run == run.id]
    assert model.labels == ITEMS


async def test_stopping_a_paused_run_learns_what_it_bought_and_asks_nothing(opened: Open, fake: FakeAnthropic) -> None:
    service = await opened()
    project, run = await paused_in_a_round(service)
    sent, given = len(fake.requests), await read(service, lambda tx: tx.labeling.annotations(project.id))
    await turned(service, project, run, "stop")
    ended = await service.ended(run.id)
    assert (ended.state, ended.stop_reason) == (RunState.FINISHED, StopReason.STOPPED)
    [model] = await read(service, lambda tx: tx.models.list(project.id))
    assert (model.labels, len(fake.requests)) == (len(given), sent)
    assert await read(service, lambda tx: tx.budgets.open_reservations(project.id)) == []
    counts = await service.parts.reports.reports.pool_counts(project)
    assert counts.states[ItemState.ASKED] == 0, "its items are anybody's"


async def test_while_a_run_of_people_is_paused_nothing_is_handed_out_and_leases_are_kept(opened: Open) -> None:
    service = await opened()
    project = await service.create()
    await service.add(project, [f"i{n}" for n in range(9)])
    spec = RunSpec(service.people, Component("random"), 4, 0.0, Cost(labels=9), 0.0, 0.0, Plateau(), 0, 1)
    store, parts = service.parts.base.store, service.parts
    run = await store.write(lambda tx: parts.runs.runs.start(tx, project, spec))
    parts.runs.engine.wake()
    leased = await service.lease(project, "ann", 2)
    assert leased is not None
    await turned(service, project, run, "pause")

    async def more() -> Leased | None:
        leasing = Leasing(store, parts.learning.selector)
        return await leasing.lease(project, "bob", 2, lambda tx: parts.labeling.leases.lease(tx, project, "bob", 2))

    assert await more() is None
    answers = [Submission(pick.item_id, Label(CLASSES[0])) for pick in leased.picks]
    known = KnownRows({pick.item_id: pick.row for pick in leased.picks}, {})
    await store.write(lambda tx: parts.labeling.submissions.submit(tx, project, "ann", leased.lease.id, answers, known))
    assert await read(service, lambda tx: parts.projects.budgets.spent(tx, project.id, run.id)) == Cost(labels=2)
    await turned(service, project, run, "resume")
    assert await more() is not None
    await turned(service, project, run, "stop")
    assert (await service.ended(run.id)).stop_reason is StopReason.STOPPED
