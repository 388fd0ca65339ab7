"""Runs in which an LLM writes texts anew that people criticised."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.domain.labeling.known_rows import known_rows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import SubmitStatus
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Outcome, Text
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, HumanOptions, PromptOptions
from nextlabel.server.values.runs.runs import GoldReplay, ItemScope, Plateau, Run, RunSpec, RunState, StopReason
from tests.domain.service import Service
from tests.fake_anthropic import FakeAnthropic
from tests.fake_anthropic.brains import Asked

CLAUDE = AnthropicOptions(model="claude-haiku-4-5", name="claude")
CRITICISED = ItemScope(criticised=True)
FIRST = "A short reply."


class Author:
    """Writes, writes anew where something was said of a text, and refuses where it is told so."""

    def __init__(self) -> None:
        self.silent = False

    def __call__(self, asked: Asked) -> Any:
        properties = asked.schema["properties"]
        if "satisfied" in properties:
            return {"critique": "Say where.", "satisfied": False}
        if "text" not in properties:
            return {name: one["enum"][0] for name, one in properties.items()}  # the check of the connection
        before = [number for number in range(1, 9) if f"version {number}" in asked.user]
        if not before and FIRST not in asked.user:
            return {"text": FIRST}
        return {"text": "" if self.silent else f"version {max(before, default=0) + 1}"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(brain=Author()) as opened:
        yield opened


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeAnthropic) -> AsyncIterator[Service]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
    opened = Service(tmp_path)
    opened.parts.start()
    yield opened
    await opened.close()


@pytest.fixture
async def project(service: Service) -> Project:
    """A text by claude of each of two items."""
    made = await service.create(annotation_type=AnnotationType.TEXT)
    await service.add(made, ["i0", "i1"])
    await ask(service, made, items=ItemScope())
    return made


async def ask(service: Service, project: Project, annotator: AnthropicOptions = CLAUDE, **changes: Any) -> Run:
    asked = {"annotator": annotator, "strategy": Component("random"), "limit": Cost(), "items": CRITICISED, **changes}
    return await service.replay_run(project, {}, **asked)


async def criticise(
    service: Service, project: Project, said: Mapping[str, str], who: str = "ann", own: str = "", item: str = "i0"
) -> SubmitStatus:
    known = await known_rows(service.parts.pool.pools, project.id, [item])
    given = Submission(item, Text(own) if own else None, critiques=list(said.items()))
    submissions = service.parts.labeling.submissions
    (result,) = await service.parts.base.store.write(
        lambda tx: submissions.submit(tx, project, who, "", [given], known)
    )
    assert not result.message, result
    return result.status


async def of_item(service: Service, project: Project, item: str = "i0") -> Sequence[Annotation]:
    """Return the annotations of an item that nothing stands instead of."""
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    replaced = {a.corrects for a in given}
    return [a for a in given if a.item_id == item and a.id not in replaced]


async def test_a_criticised_text_is_written_anew_once_and_says_by_whose_word(
    service: Service, project: Project, fake: FakeAnthropic
) -> None:
    assert await criticise(service, project, {FIRST: "Say when."}) is SubmitStatus.SKIPPED
    assert await criticise(service, project, {FIRST: "Say who."}, "bob") is SubmitStatus.SKIPPED
    asked = len(fake.requests)
    run = await ask(service, project)
    assert (run.state, run.stop_reason, run.round) == (RunState.FINISHED, StopReason.POOL_EMPTY, 1), run
    (text,) = [a for a in await of_item(service, project) if a.answer.body is not None]
    assert (text.annotator, text.answer.body) == ("claude", Text("version 1"))
    assert [(one.text, one.critique, one.critic) for one in text.answer.reviews] == [
        (FIRST, "Say when.", "ann"),
        (FIRST, "Say who.", "bob"),
    ]
    prompt = Asked(fake.requests[-1]).user
    assert "Say when.\nSay who." in prompt
    assert "ann" not in prompt.replace("annot", "")
    assert len(fake.requests) - asked == 2  # the check of the connection, and the text
    again = await ask(service, project)
    assert (again.round, len(fake.requests) - asked) == (0, 3)
    spent = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id, run.id))
    assert (spent.labels, spent.micro_usd >= text.answer.provenance.cost.micro_usd > 0) == (0, True)


async def test_a_model_criticises_what_came_of_it_in_the_rounds_that_are_left(
    service: Service, project: Project, fake: FakeAnthropic
) -> None:
    await criticise(service, project, {FIRST: "Say when."})
    await ask(service, project, replace(CLAUDE, prompt=PromptOptions(refine_rounds=2)))
    (text,) = [a for a in await of_item(service, project) if a.answer.body is not None]
    assert text.answer.body == Text("version 2")
    assert [(one.text, one.critique, one.critic) for one in text.answer.reviews] == [
        (FIRST, "Say when.", "ann"),
        ("version 1", "Say where.", CLAUDE.model),
    ]
    critic, anew = (Asked(request).user for request in fake.requests[-2:])
    assert "Say when." in critic
    assert "Say when.\nSay where." in anew


async def test_a_text_of_somebody_else_stays_beside_the_new_one_for_a_label(service: Service, project: Project) -> None:
    await criticise(service, project, {FIRST: "Say when."}, "bob", own="A short reply. By bob")
    await criticise(service, project, {"A short reply. By bob": "Say who."})
    run = await ask(service, project, limit=Cost(labels=1))
    texts = {a.annotator: a.answer.body for a in await of_item(service, project) if a.answer.body is not None}
    assert texts == {
        "claude": Text("version 1"),
        "claude#2": Text("version 1"),
        "bob": Text("A short reply. By bob"),
    }
    store, budgets = service.parts.base.store, service.parts.projects.budgets
    spent = await store.read(lambda tx: budgets.spent(tx, project.id, run.id))
    assert (spent.labels, run.stop_reason) == (1, StopReason.POOL_EMPTY)
    assert not await store.read(lambda tx: tx.budgets.open_reservation(project.id, f"labels/criticised-{run.id}"))


async def test_what_is_said_of_the_new_text_is_asked_about_and_nothing_that_was_answered(
    service: Service, project: Project
) -> None:
    await criticise(service, project, {FIRST: "Say when."}, "bob")
    await ask(service, project)
    await criticise(service, project, {FIRST: "Say when.", "version 1": "Say who."}, "bob")
    run = await ask(service, project)
    texts = [a.answer.body for a in await of_item(service, project) if a.answer.body is not None]
    assert (texts, run.round) == ([Text("version 2")], 1)


async def test_a_text_that_is_not_written_stands_instead_of_none(
    service: Service, project: Project, fake: FakeAnthropic
) -> None:
    author = fake.brain
    assert isinstance(author, Author)
    author.silent = True
    await criticise(service, project, {FIRST: "Say when."})
    run = await ask(service, project)
    given = {a.outcome: a for a in await of_item(service, project)}
    assert given[Outcome.LABEL].answer.body == Text(FIRST)
    assert given[Outcome.INVALID].answer.reviews[0].critique == "Say when."
    assert (run.stop_reason, run.round) == (StopReason.POOL_EMPTY, 1)
    author.silent = False
    calls = len(fake.requests)
    await ask(service, project)  # the same model to the same question: its answer is known
    assert len(fake.requests) == calls + 1
    await ask(service, project, replace(CLAUDE, model="claude-sonnet-4-5"))
    assert Text("version 1") in [a.answer.body for a in await of_item(service, project)]


async def test_what_is_paid_is_found_again_where_it_could_not_be_kept(
    service: Service, project: Project, fake: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    await criticise(service, project, {FIRST: "Say when."}, item="i0")
    await criticise(service, project, {FIRST: "Say when."}, item="i1")
    leases = type(service.parts.labeling.leases)
    with monkeypatch.context() as broken:
        broken.setattr(leases, "record", lambda *_, **__: 1 / 0)
        run = await ask(service, project)
    assert run.stop_reason is StopReason.ERROR
    paid = len(fake.requests)
    assert (await ask(service, project)).stop_reason is StopReason.POOL_EMPTY
    assert len(fake.requests) == paid + 1
    assert fake.books.micro_usd == await spent_usd(service, project)


async def spent_usd(service: Service, project: Project) -> int:
    budgets = service.parts.projects.budgets
    return (await service.parts.base.store.read(lambda tx: budgets.spent(tx, project.id))).micro_usd


async def test_money_bounds_it_and_the_quote_tells(service: Service, project: Project) -> None:
    for item in ("i0", "i1"):
        await criticise(service, project, {FIRST: "Say when."}, item=item)
    spec = RunSpec(CLAUDE, Component("random"), 6, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 1, items=CRITICISED)
    quote = await service.parts.runs.quotes.quote(project, spec, 0)
    assert (quote.expected.labels, quote.expected.micro_usd > 0) == (0, True)
    assert any(said.startswith("2 texts that people criticised, 0 of which") for said in quote.assumptions)
    run = await ask(service, project, limit=Cost(micro_usd=1))
    assert run.stop_reason is StopReason.BUDGET
    assert await spent_usd(service, project) > 0
    assert not [a for a in await of_item(service, project) if a.answer.body == Text("version 1")]


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        (AnnotationType.SINGLE_LABEL, {}, "people criticise texts, and .* asks for single_label"),
        (AnnotationType.TEXT, {"annotator": HumanOptions()}, "an LLM writes criticised texts anew"),
        (AnnotationType.TEXT, {"annotator": replace(CLAUDE, prompt=PromptOptions(texts=2))}, "written anew once"),
        (AnnotationType.TEXT, {"gold_replay": GoldReplay(every=5)}, "nothing is asked of gold"),
    ],
)
async def test_what_has_no_part_in_it_is_refused(
    service: Service, kind: AnnotationType, changes: dict[str, Any], problem: str
) -> None:
    made = await service.create(annotation_type=kind)
    with pytest.raises(InvalidArgument, match=problem):
        await ask(service, made, **changes)
