"""Gold that is asked again: on schedule, after changes, and what a run does where an annotator has become worse."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, PromptOptions
from nextlabel.server.values.runs.events import GoldReplayed
from nextlabel.server.values.runs.runs import GoldReplay, Run, RunState, StopReason
from tests.domain.llm_service import GOLD, LABELS_BY_TEXT, MODEL, LlmService, llm_service
from tests.fake_anthropic import Asked, Scripted
from tests.fake_anthropic.brains import compose


class Fading:
    """Right about every text until so many requests were answered, and wrong from then on."""

    def __init__(self, requests: int) -> None:
        self.left = requests

    def __call__(self, asked: Asked) -> Any:
        self.left -= 1
        names, turned = list(asked.labels), int(self.left < 0)

        def label(text: str) -> str:
            right = LABELS_BY_TEXT.get(text, names[0])
            return names[(names.index(right) + turned) % len(names)]

        return compose(asked, label)


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        opened.fake.brain = Scripted(Fading(1_000))
        yield opened


async def happenings(service: LlmService, run: Run) -> list[GoldReplayed]:
    events = await service.parts.base.store.read(lambda tx: tx.runs.events(run.id, 0, 1_000))
    return [e.happening for e in events if isinstance(e.happening, GoldReplayed)]


async def replaying(service: LlmService, project: Project, replay: GoldReplay, **changes: Any) -> Run:
    limit = Cost(labels=24, micro_usd=10_000_000)
    return await service.llm_run(project, **{"gold_replay": replay, "batch_size": 8, "limit": limit, **changes})


async def test_gold_is_asked_again_after_so_many_answers_and_paid(service: LlmService) -> None:
    project = await service.filled(gold=True)
    run = await replaying(service, project, GoldReplay(every=8))
    assert run.stop_reason is StopReason.BUDGET, run.message
    # 24 labels are two times eight answers with something to come after them.
    found = await happenings(service, run)
    assert [(one.items, one.right_now, one.fallen) for one in found] == [(len(GOLD), 1.0, False)] * 2
    askings = await service.parts.reports.quality.gold_askings.of(project)
    assert [(one.items, one.right, one.changed) for one in askings] == [(len(GOLD), len(GOLD), ())] * 3
    assert service.asked("text of g3") == 3
    # What is asked again stands instead of what was answered before, and trains nothing.
    labels = service.parts.labeling.labels
    (row,) = (await service.parts.pool.pools.find(project.id, ["g3"])).tolist()
    assert len(await labels.annotations(project, row)) == 1
    assert len((await service.parts.learning.learning.labeled(project)).rows_N) == 24
    total = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id))
    assert (total.labels, total.micro_usd) == (24, service.fake.books.micro_usd)


async def test_an_annotator_that_becomes_worse_ends_the_run(service: LlmService) -> None:
    project = await service.filled(gold=True)
    service.fake.brain = Scripted(Fading(1 + len(GOLD) + 2 * (8 + len(GOLD))))
    run = await replaying(service, project, GoldReplay(every=8, items=11), limit=Cost(labels=40, micro_usd=10_000_000))
    assert (run.state, run.stop_reason) == (RunState.FAILED, StopReason.ANNOTATOR_UNRELIABLE)
    assert "answers 0.0% of 11 gold items right, after 100.0%: worse than before" in run.message
    # What was answered before is learned from.
    models = await service.parts.base.store.read(lambda tx: tx.models.list(project.id))
    assert models[-1].labels == len((await service.parts.learning.learning.labeled(project)).rows_N)


async def test_an_alarm_may_be_all(service: LlmService) -> None:
    project = await service.filled(gold=True)
    service.fake.brain = Scripted(Fading(1 + len(GOLD) + 2 * (8 + len(GOLD))))
    run = await replaying(
        service, project, GoldReplay(every=8, alert_only=True), limit=Cost(labels=32, micro_usd=10_000_000)
    )
    assert run.stop_reason is StopReason.BUDGET
    assert [one.fallen for one in await happenings(service, run)] == [False, False, True]


async def test_gold_is_asked_anew_when_the_question_or_the_guidelines_change(service: LlmService) -> None:
    project = await service.filled(gold=True)
    named = AnthropicOptions(MODEL, name="mine")
    await service.llm_run(project, annotator=named)
    again = await service.llm_run(project, annotator=named)
    assert await happenings(service, again) == []
    faster = AnthropicOptions(MODEL, name="mine", prompt=PromptOptions(max_concurrency=2))
    assert await happenings(service, await service.llm_run(project, annotator=faster)) == []
    reasons = AnthropicOptions(MODEL, name="mine", prompt=PromptOptions(rationale=True))
    (found,) = await happenings(service, await service.llm_run(project, annotator=reasons))
    assert "since prompt changed" in found.detail
    await service.parts.base.store.write(
        lambda tx: service.parts.projects.projects.add_guidelines(tx, project.name, "new rules", author="me")
    )
    changed = await service.parts.base.store.read(lambda tx: service.parts.projects.projects.get(tx, project.name))
    (found,) = await happenings(service, await service.llm_run(changed, annotator=reasons))
    assert "since guidelines changed" in found.detail
    askings = await service.parts.reports.quality.gold_askings.of(changed, "mine")
    assert [one.changed for one in askings] == [(), ("prompt",), ("guidelines",)]


async def test_what_a_replay_may_not_spend_ends_the_run_by_its_budget(service: LlmService) -> None:
    project = await service.filled(gold=True)
    free = await replaying(service, project, GoldReplay(every=8), limit=Cost(labels=8, micro_usd=10_000_000))
    spent = await service.parts.base.store.read(
        lambda tx: service.parts.projects.budgets.spent(tx, project.id, free.id)
    )
    run = await replaying(service, project, GoldReplay(every=8), limit=Cost(labels=24, micro_usd=spent.micro_usd))
    assert run.stop_reason is StopReason.BUDGET
    assert "label" not in run.message


async def test_a_run_may_ask_about_gold_alone_within_its_budget(service: LlmService) -> None:
    project = await service.filled(gold=True)
    spec = {"limit": Cost(micro_usd=10_000_000), "annotator": AnthropicOptions(MODEL, name="successor")}
    run = await replaying(service, project, GoldReplay(items=5, only=True), **spec)
    assert (run.stop_reason, run.message) == (StopReason.CARRIED_OUT, "successor has answered 5 gold items")
    # What was answered is not asked about again, and the pool is left alone.
    rest = await replaying(service, project, GoldReplay(only=True), **spec)
    assert rest.message == f"successor has answered {len(GOLD)} gold items"
    assert service.asked("text of g0") == 1
    given = await service.parts.labeling.labels.by_annotator(project)
    assert len(given["successor"]) == len(GOLD)
    assert not len((await service.parts.learning.learning.labeled(project)).rows_N)
    quote = await service.parts.runs.quotes.quote(project, rest.spec, 0)
    assert quote.upper.labels == 0
    assert 0 < quote.expected.micro_usd <= quote.upper.micro_usd
    poor = {**spec, "annotator": AnthropicOptions(MODEL, name="poor"), "limit": Cost(micro_usd=1)}
    stopped = await replaying(service, project, GoldReplay(only=True), **poor)
    assert stopped.stop_reason is StopReason.BUDGET


async def test_only_llms_that_label_are_asked_again_within_limits(service: LlmService) -> None:
    project = await service.filled(gold=True)
    for replay, said in (
        (GoldReplay(every=-1), "gold_replay.every: from 0"),
        (GoldReplay(every=5, items=1_001), "gold_replay.items: from 0"),
        (GoldReplay(every=5, only=True), "gold_replay.only: such a run ends"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            await replaying(service, project, replay)
    with pytest.raises(InvalidArgument, match="only LLMs that label items"):
        await service.replay_run(project, {}, annotator=service.people, gold_replay=GoldReplay(every=5))


async def test_gold_is_asked_again_when_hours_have_passed_in_whatever_run(
    service: LlmService, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await service.filled(gold=True)
    first = await replaying(service, project, GoldReplay(hours=24), limit=Cost(labels=8, micro_usd=10_000_000))
    assert not await happenings(service, first)
    clock, now = service.parts.base.clock, service.parts.base.clock.now()
    monkeypatch.setattr(type(clock), "now", lambda self: now + timedelta(hours=25))
    second = await replaying(service, project, GoldReplay(hours=24), limit=Cost(labels=16, micro_usd=10_000_000))
    # Before its first round, and not before the next ones: the new answers are of today.
    assert [one.items for one in await happenings(service, second)] == [len(GOLD)]
    assert service.asked("text of g3") == 2


async def test_hours_beyond_a_year_are_refused(service: LlmService) -> None:
    project = await service.filled(gold=True)
    with pytest.raises(InvalidArgument, match="from 0 to 8,760"):
        await replaying(service, project, GoldReplay(hours=9_000))
