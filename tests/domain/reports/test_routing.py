"""Routes planned from what a project has."""

import numpy as np
import pytest

from nextlabel.server.domain.reports.routing import AnnotatorPrice
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from tests.domain.service import CLASSES

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(150)]
GOLD = {f"g{n}": CLASSES[n % 3] for n in range(60)}
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}


def plans(service):
    return service.parts.reports.quality.route_plans


async def test_a_plan_spends_no_more_than_the_budget_on_what_nobody_has_answered(service):
    project = await service.create()
    await service.add(project, list(GOLD), split=Split.GOLD, upload="gold")
    await service.add(project, IDS)
    with pytest.raises(FailedPrecondition, match="no model yet"):
        await plans(service).plan(project, 0, [], 50_000)
    await service.replay_run(project, TRUTH, limit=Cost(labels=6))
    rng = np.random.default_rng(0)
    said = {item: label if rng.random() < 0.8 else CLASSES[0] for item, label in GOLD.items()}
    with pytest.raises(FailedPrecondition, match="there are 0; mini has answered 0"):
        await plans(service).plan(project, 0, [AnnotatorPrice("mini", 200)], 50_000)
    await service.answer_as_llm(project, said)
    found = await plans(service).plan(project, 1_000_000, [AnnotatorPrice("mini", 200)], 50_000)
    assert found.plan.items == 144
    assert 0 <= found.plan.micro_usd <= 1_000_000
    assert found.plan.accuracy.items == 60
    assert sum(step.items for step in found.plan.steps) == pytest.approx(144, abs=len(found.plan.steps))
    assert found.person_accuracy is None
    await service.label(project, dict(list(GOLD.items())[:30]))
    told = (await plans(service).plan(project, 1_000_000, [], 50_000)).person_accuracy
    assert told is not None
    assert (told.value, told.items) == (1.0, 30)


async def test_what_cannot_be_planned_says_what_is_wrong(service):
    project = await service.create()
    twice = [AnnotatorPrice("mini", 1), AnnotatorPrice("mini", 2)]
    for annotators, budget, said in (
        (twice, 0, "twice"),
        ([AnnotatorPrice(str(n), 1) for n in range(5)], 0, "at most 4"),
        ([AnnotatorPrice("mini", -1)], 0, "negative"),
        ([], -1, "budget_micro_usd"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            await plans(service).plan(project, budget, annotators, 0)
    await service.add(project, IDS)
    await service.label(project, TRUTH)
    await service.parts.reports.quality.deliveries.learning.train(project)
    with pytest.raises(InvalidArgument, match="none of its answers"):
        await plans(service).plan(project, 0, [AnnotatorPrice("mini", 0)], 0)
    with pytest.raises(FailedPrecondition, match="there are 0"):
        await plans(service).plan(project, 0, [], 0)
