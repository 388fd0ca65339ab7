"""Predictions for which advisors are asked: whatever they answer or not, every input is predicted, and paid once."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from nextlabel.server.domain.learning.advised_predictions import ADVICE_LINE, AdvisedPrediction
from nextlabel.server.domain.runs.advising_rules import forget_advice
from nextlabel.server.learners.candidates.advice_choice import AdviceUse
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.projects.projects import Project
from tests.domain.llm_service import IDS, MODEL, TRUTH, LlmService, llm_service
from tests.domain.service import CLASSES, DIMENSION
from tests.fake_anthropic import Fault
from tests.fake_anthropic.brains import Known

NAME = f"anthropic:{MODEL}"
LATER = [f"later{n}" for n in range(6)]
# The LLM is right about items whose embeddings say nothing.
RIGHT = {item: CLASSES[n // 3 % 3] for n, item in enumerate([*IDS, *LATER])}


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        opened.fake.brain = Known({f"text of {item}": label for item, label in RIGHT.items()})
        yield opened


@pytest.fixture
async def project(service: LlmService) -> Project:
    """The LLM has advised on every item of it; six items came later."""
    made = await service.filled()
    await service.label(made, {item: RIGHT[item] for item in IDS[:30]})
    await service.llm_run(made, limit=Cost(), batch_size=45, advice=True)
    await service.add(made, LATER, upload="later")
    return made


async def of_texts(service: LlmService, project: Project, texts: list[str]) -> AdvisedPrediction:
    embeddings = np.eye(DIMENSION, dtype=np.float32)[: len(texts)]
    return await service.parts.llm.predictions.of_texts(project, texts, embeddings)


async def of_items(service: LlmService, project: Project, items: list[str]) -> AdvisedPrediction:
    rows = (await service.parts.pool.pools.find(project.id, items)).tolist()
    return await service.parts.llm.predictions.of_items(project, rows)


def labels(found: AdvisedPrediction) -> list[str]:
    return [CLASSES[c] for c in found.probabilities_nC.argmax(axis=1)]


async def test_texts_are_asked_about_once_and_paid_for_once(service: LlmService, project: Project) -> None:
    texts = [f"text of {item}" for item in (*LATER, LATER[0])]
    before = service.fake.books.micro_usd
    found = await of_texts(service, project, texts)
    assert labels(found) == [RIGHT[item] for item in (*LATER, LATER[0])]
    assert AdviceUse.LEARNER not in {answer.source for answer in found.answers}
    assert (found.asked, found.failure) == (len(LATER), "")
    assert [service.asked(f"text of {item}") for item in LATER] == [1] * len(LATER)
    assert found.cost.micro_usd == service.fake.books.micro_usd - before > 0
    assert (await service.spent(project, ADVICE_LINE)).micro_usd == found.cost.micro_usd
    again = await of_texts(service, project, texts)
    assert (labels(again), again.cost) == (labels(found), found.cost)
    assert service.fake.books.micro_usd == before + found.cost.micro_usd


async def test_what_is_said_of_items_is_kept_as_advice(service: LlmService, project: Project) -> None:
    items = [*IDS[:3], *LATER, LATER[0]]
    found = await of_items(service, project, items)
    assert labels(found) == [RIGHT[item] for item in items]
    assert found.asked == len(LATER)
    rows = (await service.parts.pool.pools.find(project.id, items)).tolist()
    embeddings = await service.parts.pool.pools.embeddings(project, rows)
    _, kept, _ = await service.parts.learning.learning.answers(project, embeddings, rows=rows)
    assert (kept == found.probabilities_nC).all()
    assert (await of_items(service, project, items)).asked == 0


async def limited(service: LlmService, project: Project) -> None:
    budgets = service.parts.projects.budgets
    spent = await service.parts.base.store.read(lambda tx: budgets.spent(tx, project.id, None))
    await service.parts.base.store.write(
        lambda tx: budgets.set_limit(tx, project.id, "", Window.TOTAL, BudgetDimension.MICRO_USD, spent.micro_usd)
    )


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ("budget", "budget"),
        ("refused", "refused"),
        ("key", "scripted"),
    ],
)
async def test_without_an_answer_the_learner_predicts_and_it_is_said_why(
    service: LlmService, project: Project, spoiled: str, said: str
) -> None:
    if spoiled == "budget":
        await limited(service, project)
    if spoiled == "refused":
        service.fake.faults.rates = [(1.0, Fault(kind="refusal"))]
    if spoiled == "key":
        service.fake.faults.rates = [(1.0, Fault(status=401, error_type="authentication_error"))]
    found = await of_items(service, project, [IDS[0], LATER[1]])
    assert labels(found)[0] == RIGHT[IDS[0]]
    assert [answer.source is AdviceUse.LEARNER for answer in found.answers] == [False, True]
    assert found.failure.startswith(f"{NAME}: ")
    assert said in found.failure
    assert found.asked == 0


async def test_an_advisor_that_is_forgotten_is_neither_heard_nor_asked(service: LlmService, project: Project) -> None:
    store, learning = service.parts.base.store, service.parts.learning.learning
    with pytest.raises(NotFound, match=f"'nobody' has advised on nothing in project news; who has: {NAME}"):
        await store.write(lambda tx: forget_advice(tx, project, "nobody"))
    assert await store.write(lambda tx: forget_advice(tx, project, NAME)) == len(IDS)
    rows = (await service.parts.pool.pools.find(project.id, IDS)).tolist()
    embeddings = await service.parts.pool.pools.embeddings(project, rows)
    _, _, answers = await learning.answers(project, embeddings, rows=rows)
    assert {answer.source for answer in answers} == {AdviceUse.LEARNER}
    assert (await learning.train(project)).description["advice"] == {}
    with pytest.raises(FailedPrecondition, match="heard no advice"):
        await of_items(service, project, LATER)


async def test_a_model_that_heard_no_advice_says_so(service: LlmService) -> None:
    made = await service.filled()
    await service.label(made, dict(list(TRUTH.items())[:12]))
    await service.parts.learning.learning.train(made)
    with pytest.raises(FailedPrecondition, match="heard no advice"):
        await of_texts(service, made, ["text of i0"])
    assert not service.fake.requests


async def test_nobody_is_asked_where_the_learner_is_as_good_alone(service: LlmService) -> None:
    made = await service.filled()
    service.fake.brain = Known(dict.fromkeys((f"text of {item}" for item in IDS), CLASSES[0]))
    await service.label(made, TRUTH)
    await service.llm_run(made, limit=Cost(), batch_size=45, advice=True)
    asked = len(service.fake.requests)
    found = await of_texts(service, made, ["text of nothing"])
    assert "nobody was asked" in found.failure
    assert (len(service.fake.requests), found.answers[0].source) == (asked, AdviceUse.LEARNER)


async def test_a_model_learns_from_advice_about_the_pool_beside_that_about_its_labels(
    service: LlmService, project: Project
) -> None:
    labeled = (await service.parts.pool.pools.find(project.id, IDS[:30])).tolist()
    later = (await service.parts.pool.pools.find(project.id, LATER)).tolist()
    learning = service.parts.learning.learning
    beside = await learning.beside(project, labeled)
    sampled = (await learning.samples.of_pool(project)).rows_M
    assert beside.advice is not None
    assert beside.advice.given_N.all()
    assert beside.pool_advice is not None
    np.testing.assert_array_equal(beside.pool_advice.given_N, ~np.isin(sampled, [*labeled, *later]))
