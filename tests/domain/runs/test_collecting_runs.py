"""Runs that collect written texts, which nothing is learned from."""

from dataclasses import replace

import pytest

from nextlabel.server.domain.runs.collecting import check_collecting
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Text
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LearnerOptions
from nextlabel.server.values.runs.runs import Plateau, RunSpec, RunState, StopReason
from tests.domain.service import Service
from tests.fake_anthropic import FakeAnthropic
from tests.store import values as v

IDS = [f"i{n}" for n in range(30)]
TEXTS = replace(v.project(), annotation_type=AnnotationType.TEXT, classes=())
CLAUDE = AnthropicOptions(model="claude-haiku-4-5")


@pytest.fixture
async def service(tmp_path, monkeypatch):
    async with FakeAnthropic(brain=_writes) as fake:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        opened = Service(tmp_path)
        opened.parts.start()
        yield opened
        await opened.close()


def _writes(asked):
    properties = asked.schema["properties"]
    return {name: one.get("enum", ["A short reply."])[0] for name, one in properties.items()}


async def written(service):
    project = await service.create(annotation_type=AnnotationType.TEXT)
    await service.add(project, IDS)
    return project


async def collect(service, project, **changes):
    return await service.replay_run(project, {}, annotator=CLAUDE, **{"strategy": Component("default"), **changes})


async def test_an_llm_writes_until_the_budget_is_spent(service):
    project = await written(service)
    run = await collect(service, project)
    assert (run.state, run.stop_reason, run.round) == (RunState.FINISHED, StopReason.BUDGET, 3)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    assert [a.answer.body for a in given] == [Text("A short reply.")] * 18
    assert len({a.row for a in given}) == 18
    assert await service.parts.base.store.read(lambda tx: tx.models.latest(project.id)) is None


async def test_it_goes_on_to_the_end_of_the_pool_with_what_is_not_answered(service):
    project = await written(service)
    await collect(service, project)
    run = await collect(service, project, limit=Cost())
    assert (run.state, run.stop_reason, run.round) == (RunState.FINISHED, StopReason.POOL_EMPTY, 3)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    assert sorted(a.item_id for a in given) == sorted(IDS)


async def test_coverage_looks_where_nothing_is_answered(service):
    project = await written(service)
    far_from_answers = Query(count=2, strategy=Component("distance"), audit_share=0.0, seed=0)
    before, _ = await service.parts.learning.selector.select(project, far_from_answers)
    assert before.fallback == "random: distance needs labels, which there is none of yet"
    await collect(service, project, max_rounds=1)
    batch, picks = await service.parts.learning.selector.select(project, far_from_answers)
    assert (batch.fallback, len(picks)) == ("", 2)


async def test_what_is_answered_and_deleted_stands_in_nobodys_way(service):
    project = await written(service)
    await collect(service, project, max_rounds=1)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    await service.parts.pool.pools.delete(project.id, [given[0].item_id], service.parts.base.clock.now())
    run = await collect(service, project, max_rounds=1)
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.MAX_ROUNDS)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"target_accuracy": 0.9}, "targets.accuracy"),
        ({"target_macro_f1": 0.9}, "targets.macro_f1"),
        ({"plateau": Plateau(3, 0.1)}, "targets.plateau_rounds"),
        ({"stable_kappa": 0.9}, "targets.stable_kappa"),
        ({"advice": True}, "advice"),
        ({"train_while_asking": True}, "train_while_asking"),
        ({"annotator": LearnerOptions()}, "annotator"),
        ({"strategy": Component("margin")}, "strategy"),
        ({"strategy": Component("bald")}, "strategy"),
        ({"strategy": Component("active_lab")}, "strategy"),
        ({"strategy": Component("llm_uncertainty")}, "strategy"),
        ({"strategy": Component("llm", {"shortlist": "margin"})}, "strategy"),
    ],
)
def test_what_rests_on_a_learner_is_refused_at_once(changes, field):
    spec = RunSpec(CLAUDE, Component("random"), 6, 0.0, Cost(labels=18), 0.0, 0.0, Plateau(), 0, 1)
    check_collecting(TEXTS, spec)
    with pytest.raises(InvalidArgument, match="no learner is trained on text annotations") as error:
        check_collecting(TEXTS, replace(spec, **changes))
    assert [wrong.field for wrong in error.value.violations] == [f"spec.{field}"]
