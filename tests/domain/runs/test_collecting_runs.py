"""Runs that collect written texts, which nothing is learned from."""

from dataclasses import replace
from datetime import timedelta

import pytest

from nextlabel.server.domain.labeling.standing import last_batch
from nextlabel.server.domain.runs.collecting import check_collecting
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Text
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LearnerOptions, PromptOptions
from nextlabel.server.values.runs.runs import ItemScope, Plateau, RunSpec, RunState, StopReason, Worth
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
    if "satisfied" in properties:
        return {"critique": "Say when.", "satisfied": False}
    return {name: one.get("enum", ["A short reply."])[0] for name, one in properties.items()}


def three_texts():
    return replace(CLAUDE, prompt=PromptOptions(texts=3))


async def quoted(service, project, annotator):
    spec = RunSpec(annotator, Component("random"), 6, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 1)
    return await service.parts.runs.quotes.quote(project, spec, 0)


async def written(service):
    project = await service.create(annotation_type=AnnotationType.TEXT)
    await service.add(project, IDS)
    return project


async def collect(service, project, **changes):
    asked = {"annotator": CLAUDE, "strategy": Component("default"), **changes}
    return await service.replay_run(project, {}, **asked)


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
        ({"worth": Worth(1, 1)}, "targets.point_micro_usd"),
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


async def test_several_texts_of_an_item_are_kept_each_with_what_it_cost(service):
    project = await written(service)
    run = await collect(service, project, annotator=three_texts(), limit=Cost(labels=20))
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.BUDGET)
    assert run.message.startswith("the label budget is spent: 2 left, and an item takes 3")
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    by_row = {row: sorted(a.annotator for a in given if a.row == row) for row in {a.row for a in given}}
    name = CLAUDE.annotator_name
    assert list(by_row.values()) == [[name, f"{name}#2", f"{name}#3"]] * 6
    assert all(a.answer.provenance.cost.micro_usd > 0 for a in given)
    budgets = service.parts.projects.budgets
    spent = await service.parts.base.store.read(lambda tx: budgets.spent(tx, project.id, run.id))
    assert (spent.labels, len(given)) == (18, 18)


async def test_what_is_missing_of_an_items_texts_is_asked_when_a_run_goes_on(service):
    project = await written(service)
    started = await collect(service, project, annotator=three_texts(), max_rounds=1)

    def halved(tx):
        [batch] = tx.labeling.batches(project.id, started.id)
        return batch, tx.labeling.picks(batch.id), last_batch(tx, project.id, started.id)

    batch, picks, (_, left) = await service.parts.base.store.read(halved)
    assert not left
    later = service.parts.base.clock.now() + timedelta(seconds=1)
    other = replace(batch, id="other", created_at=later)

    def half_answered(tx):
        given = tx.labeling.annotations(project.id, run=started.id)
        tx.labeling.add_batch(other, [replace(pick, batch=other.id) for pick in picks])
        tx.labeling.add_annotations([replace(a, batch=other.id) for a in given if a.annotator.endswith("#2")])
        return last_batch(tx, project.id, started.id)

    _, left = await service.parts.base.store.write(half_answered)
    assert [pick.row for pick in left] == [pick.row for pick in picks]


async def test_a_quote_knows_how_many_texts_an_item_gets(service):
    project = await written(service)
    quotes = [await quoted(service, project, annotator) for annotator in (CLAUDE, three_texts())]
    one, three = (quote.expected for quote in quotes)
    assert (one.labels, three.labels) == (30, 90)
    assert three.micro_usd == pytest.approx(3 * one.micro_usd, rel=0.01)
    assert "90 texts, 3 of each of the 30 items of the pool that may be asked about" in quotes[1].assumptions


async def test_texts_are_refined_within_the_run_and_its_quote(service):
    project = await written(service)
    refining = replace(CLAUDE, prompt=PromptOptions(refine_rounds=2, critic="claude-sonnet-4-5"))
    run = await collect(service, project, annotator=refining, limit=Cost(labels=6), batch_size=6)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id, run=run.id))
    assert [[review.critic for review in a.answer.reviews] for a in given] == [["claude-sonnet-4-5"] * 2] * 6
    plain, refined = [await quoted(service, project, annotator) for annotator in (CLAUDE, refining)]
    assert plain.low.micro_usd < refined.low.micro_usd < refined.expected.micro_usd < refined.upper.micro_usd
    assert refined.expected.labels == plain.expected.labels
    costs = [a.answer.provenance.cost.micro_usd for a in given]
    assert sum(costs) / 6 <= refined.upper.micro_usd / refined.upper.labels
    assert "criticised and written anew in up to 2 rounds" in refined.assumptions[-1]


@pytest.mark.parametrize(
    ("kind", "prompt", "problem"),
    [
        (AnnotationType.SINGLE_LABEL, PromptOptions(texts=2), "candidate texts are for projects of texts"),
        (AnnotationType.TEXT, PromptOptions(texts=2, variants=3), "no variants agree"),
        (AnnotationType.SINGLE_LABEL, PromptOptions(refine_rounds=1), "refinement is for projects of texts"),
        (AnnotationType.TEXT, PromptOptions(refine_rounds=6), "from 0 to 5, got 6"),
        (AnnotationType.TEXT, PromptOptions(critic="claude-haiku-4-5"), "set refine_rounds too"),
        (AnnotationType.TEXT, PromptOptions(refine_rounds=1, critic="unknown"), "prompt.critic"),
        (AnnotationType.TEXT, PromptOptions(texts=17), "from 0 to 16, got 17"),
        (AnnotationType.TEXT, PromptOptions(texts=-1), "from 0 to 16, got -1"),
    ],
)
async def test_texts_that_cannot_be_written_are_refused(service, kind, prompt, problem):
    project = await service.create(annotation_type=kind)
    with pytest.raises(InvalidArgument, match=problem):
        await collect(service, project, annotator=replace(CLAUDE, prompt=prompt))


async def test_another_model_writes_of_the_items_that_a_run_lists_and_none_twice(service):
    project = await written(service)
    await collect(service, project, limit=Cost(labels=30))
    runs, store = service.parts.runs, service.parts.base.store
    other = replace(CLAUDE, name="other")
    spec = RunSpec(other, Component("random"), 6, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 1, items=ItemScope(listed=8))
    listed = await runs.scopes.found(project, IDS[:8])
    assert (await runs.quotes.quote(project, spec, 0)).upper.labels == 8
    for _ in range(2):
        run = await service.ended((await store.write(lambda tx: runs.runs.start(tx, project, spec, listed))).id)
        assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.POOL_EMPTY), run
        given = await store.read(lambda tx: tx.labeling.annotations(project.id))
        assert sorted(a.item_id for a in given if a.annotator == other.annotator_name) == sorted(IDS[:8])
