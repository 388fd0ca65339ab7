"""Strategies that ask an LLM about a shortlist."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.annotator_options import HumanOptions
from nextlabel.server.values.runs.runs import StopReason
from tests.domain.llm_service import LABELS_BY_TEXT, MODEL, TRUTH, LlmService, llm_service, strategy
from tests.fake_anthropic import Asked, Fault, Scripted
from tests.fake_anthropic.brains import Known, compose

UNSURE = {f"text of i{n}" for n in range(0, 45, 5)}


def doubtful(asked: Asked) -> Any:
    """Labels right, without being sure of every fifth text."""
    [(_, text)] = asked.items or [("q1", asked.user)]
    return compose(
        asked, lambda text: LABELS_BY_TEXT.get(text) or next(iter(asked.labels), ""), 0.3 if text in UNSURE else 0.95
    )


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        opened.fake.brain = Scripted(doubtful)
        yield opened


async def test_what_the_llm_is_least_sure_of_comes_first_and_is_paid_once(service: LlmService) -> None:
    project = await service.filled()
    await service.llm_run(project, strategy=strategy("llm_uncertainty", per_pick=20), limit=Cost(labels=6))
    ((batch, picks),) = await service.batches(project)
    assert batch.strategy.name == "llm_uncertainty"
    assert {f"text of {p.item_id}" for p in picks} <= UNSURE
    assert {p.reason for p in picks} == {"the LLM is 30% sure"}
    assert [p.score for p in picks] == [pytest.approx(0.7)] * 6
    assert {service.asked(f"text of {p.item_id}\n") for p in picks} == {1}
    # The shortlist paid for everything, and nothing was left for the annotation of its picks.
    assert (await service.spent(project, "acquisition/uncertainty")).micro_usd > 0
    assert (await service.spent(project, "labels")).labels == 6
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    assert {a.label == TRUTH[a.item_id] for a in given} == {True}


async def test_disagreement_begins_by_the_shortlist_and_then_asks_what_the_learner_does_not_believe(
    service: LlmService,
) -> None:
    project = await service.filled()
    lies = {f"text of i{n}" for n in range(1, 45, 4)}

    def wrong_on_some(asked: Asked) -> Any:
        others = {"left": "right", "right": "up", "up": "left"}
        return compose(asked, lambda text: others[LABELS_BY_TEXT[text]] if text in lies else LABELS_BY_TEXT[text])

    await service.replay_run(project, TRUTH, limit=Cost(labels=12))
    service.fake.brain = Scripted(lambda asked: wrong_on_some(asked) if asked.items else compose(asked, lambda _: ""))
    chosen = strategy("llm_disagreement", model=MODEL, per_pick=20)
    batch, picks = await service.parts.learning.selector.select(project, Query(4, chosen, 0.0, seed=1))
    assert batch.model_version == 2
    assert {f"text of {p.item_id}" for p in picks} <= lies
    assert all("the LLM says" in p.reason for p in picks)
    assert (await service.spent(project, "acquisition/disagreement")).micro_usd > 0


async def test_disagreement_knows_that_the_learner_has_never_heard_of_a_class_added_since(service: LlmService) -> None:
    project = await service.filled()
    await service.replay_run(project, TRUTH, limit=Cost(labels=12))
    project = await service.add_class(project, "down")
    service.fake.brain = Scripted(lambda asked: compose(asked, lambda _: "down" if asked.items else ""))
    chosen = strategy("llm_disagreement", model=MODEL)
    _, picks = await service.parts.learning.selector.select(project, Query(4, chosen, 0.0, seed=1))
    assert {p.reason for p in picks} == {"the LLM says 'down', the learner gives that 0%"}


async def test_disagreement_without_a_model_asks_no_llm_and_says_so(service: LlmService) -> None:
    project = await service.filled()
    chosen = strategy("llm_disagreement", model=MODEL)
    _, picks = await service.parts.learning.selector.select(project, Query(4, chosen, 0.0, seed=1))
    assert {p.reason for p in picks} == {"fallback: llm_disagreement needs a model, which there is none of yet"}
    assert service.fake.requests == []


@pytest.mark.parametrize("name", ["llm", "llm_uncertainty"])
async def test_an_llm_that_fails_costs_a_reason_and_never_the_batch(service: LlmService, name: str) -> None:
    project = await service.filled()
    service.fake.faults.script.extend([Fault(status=401)] * 200)
    _, picks = await service.parts.learning.selector.select(project, Query(5, strategy(name, model=MODEL), 0.2, seed=1))
    assert len({p.row for p in picks}) == 5
    assert sum(p.audit for p in picks) == 1
    assert all("fallback: the endpoint stopped us" in p.reason for p in picks if not p.audit)


async def test_an_exhausted_budget_is_a_reason_too(service: LlmService) -> None:
    project = await service.filled()
    run = await service.llm_run(
        project, strategy=strategy("llm_uncertainty"), limit=Cost(labels=6, micro_usd=2_500), batch_size=6
    )
    assert run.stop_reason is StopReason.BUDGET
    batches = await service.batches(project)
    assert any("budget" in p.reason for p in batches[0][1])
    total = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id, run.id))
    assert total.micro_usd <= 2_500


async def test_a_model_of_its_own_advises_a_run_whose_annotator_is_no_llm(service: LlmService) -> None:
    project = await service.filled()
    await service.replay_run(
        project, TRUTH, strategy=strategy("llm_uncertainty", model=MODEL, per_pick=20), limit=Cost(labels=6)
    )
    ((_, picks),) = await service.batches(project)
    assert {p.reason for p in picks} == {"the LLM is 30% sure"}


async def test_personal_data_is_redacted_for_the_shortlist_as_for_the_annotator(service: LlmService) -> None:
    project = await service.create()
    ids = [f"i{n}" for n in range(20)]
    await service.add(project, ids, texts=[f"{i}: mail {i}@example.com" for i in ids])
    service.fake.brain = Known({})
    for name in ("llm", "llm_uncertainty"):
        await service.llm_run(project, {"redact": True}, strategy=strategy(name), limit=Cost(labels=3))
    assert len(service.fake.requests) > 20
    assert "example.com" not in str(service.fake.requests)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "name its model"),
        ({"model": "claude-unheard-of"}, "no price"),
        ({"model": 5}, "must be of type str"),
        ({"model": MODEL, "per_pick": 0}, "from 1 to 20"),
        ({"model": MODEL, "shortlist": "llm"}, "asks an LLM itself"),
        ({"model": MODEL, "shortlist": "oracle"}, "oracle"),
        ({"model": MODEL, "provider": "human"}, "one of anthropic, openai_compatible"),
        ({"model": MODEL, "temperature": 1}, "no parameter 'temperature'"),
    ],
)
async def test_wrong_parameters_are_named_before_anything_is_spent(
    service: LlmService, params: dict[str, Any], problem: str
) -> None:
    project = await service.filled()
    chosen = strategy("llm_uncertainty", **params)
    with pytest.raises(InvalidArgument, match=problem):
        await service.parts.learning.selector.select(project, Query(4, chosen, 0.0, seed=1))
    with pytest.raises(InvalidArgument, match=problem):
        await service.replay_run(project, TRUTH, strategy=chosen)
    assert service.fake.requests == []


@pytest.mark.parametrize("name", ["llm", "llm_uncertainty", "llm_disagreement"])
async def test_a_quote_includes_what_the_strategy_asks(service: LlmService, name: str) -> None:
    project = await service.filled()
    quotes = []
    for chosen in (strategy("margin"), strategy(name)):
        run = await service.llm_run(project, strategy=chosen, limit=Cost(labels=1), max_rounds=1)
        spec = replace(run.spec, limit=Cost(labels=12), max_rounds=0)
        quotes.append(await service.parts.runs.quotes.quote(project, spec, 0))
    plain, advised = quotes
    assert advised.low.micro_usd < advised.expected.micro_usd < advised.upper.micro_usd
    assert advised.expected.micro_usd > plain.expected.micro_usd
    assert any(name in assumption for assumption in advised.assumptions)
    before = service.fake.books.micro_usd
    await service.llm_run(project, strategy=strategy(name), limit=Cost(labels=12))
    actual = service.fake.books.micro_usd - before
    assert advised.low.micro_usd <= actual <= advised.upper.micro_usd


async def test_a_quote_knows_an_llm_that_advises_people(service: LlmService) -> None:
    project = await service.filled()
    run = await service.replay_run(project, TRUTH, limit=Cost(labels=1))
    people = replace(run.spec, annotator=HumanOptions(), strategy=strategy("llm", model=MODEL))
    quote = await service.parts.runs.quotes.quote(project, replace(people, limit=Cost(labels=12)), 0)
    assert 0 < quote.low.micro_usd < quote.expected.micro_usd < quote.upper.micro_usd
    assert quote.expected.labels == 12
