"""Runs whose answers are kept as advice."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextlabel.server.domain.learning.types.task_learners import task_learner
from nextlabel.server.learners.candidates.advice_choice import AdviceUse
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import (
    AnthropicOptions,
    DemonstrationSelection,
    HumanOptions,
    LearnerOptions,
    PromptOptions,
    ReplayOptions,
)
from nextlabel.server.values.runs.runs import Plateau, Run, StopReason
from tests.domain.llm_service import GOLD, IDS, LABELS_BY_TEXT, MODEL, TRUTH, LlmService, llm_service
from tests.domain.service import Service
from tests.fake_anthropic.brains import Known

NAME = f"anthropic:{MODEL}"


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        opened.fake.brain = Known(LABELS_BY_TEXT)
        yield opened


async def advised(service: LlmService, project: Project, **changes: Any) -> Run:
    return await service.llm_run(project, **{"limit": Cost(), "batch_size": 50, "advice": True, **changes})


async def advice_of(service: Service, project: Project) -> dict[str, str]:
    """Labels by item id."""

    def work(tx: Any) -> dict[str, str]:
        found = tx.advice.of(project.id, range(1_000))
        return {a.item_id: a.answer.body.name for a in found if isinstance(a.answer.body, Label)}

    return await service.parts.base.store.read(work)


async def test_an_llm_advises_on_every_item_once_and_labels_none(service: LlmService) -> None:
    project = await service.filled(gold=True)
    await service.label(project, dict(list(TRUTH.items())[:12]))
    run = await advised(service, project)
    assert (run.stop_reason, run.round) == (StopReason.POOL_EMPTY, 2)
    assert set(await advice_of(service, project)) == {*IDS, *GOLD}
    store = service.parts.base.store
    given = await store.read(lambda tx: tx.labeling.annotations(project.id, annotator=NAME))
    assert given == []
    spent = await store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id, run.id))
    assert (spent.labels, spent.micro_usd) == (0, service.fake.books.micro_usd)
    model = await store.read(lambda tx: tx.models.latest(project.id))
    assert model is not None
    assert (model.labels, model.description["advice"]["advisors"]) == (12, [NAME])
    # Gold trains nothing, and tells what advice is worth.
    assert model.description["advice"]["held_out"] == 12 + len(GOLD)

    asked = len(service.fake.requests)
    again = await advised(service, project)
    assert (again.stop_reason, again.round) == (StopReason.POOL_EMPTY, 0)
    assert len(service.fake.requests) <= asked + 1  # the probe before a run


async def test_the_learner_has_no_part_in_what_is_advised(service: LlmService) -> None:
    """It knows the labels that advice is weighed by."""
    project = await service.filled()
    await service.label(project, dict(list(TRUTH.items())[:12]))
    await service.parts.learning.learning.train(project)
    await advised(service, project, max_rounds=1, batch_size=20)
    found = await service.parts.base.store.read(lambda tx: tx.advice.of(project.id, range(1_000)))
    assert {(tuple(a.answer.signals), a.answer.confidence) for a in found} == {(("verbalised",), 0.9)}


async def test_labeled_items_come_first_and_rounds_end_the_run(service: LlmService) -> None:
    project = await service.filled(gold=True)
    labels = dict(list(TRUTH.items())[20:28])
    await service.label(project, labels)
    run = await advised(service, project, batch_size=20, max_rounds=1)
    assert run.stop_reason is StopReason.MAX_ROUNDS
    assert set(await advice_of(service, project)) == {*labels, *GOLD}
    quote = await service.parts.runs.quotes.quote(project, run.spec, 5)
    assert (quote.upper.labels, quote.upper.micro_usd > 0) == (0, True)


async def test_a_budget_of_money_ends_the_run_after_what_was_paid_is_learned(service: LlmService) -> None:
    project = await service.filled()
    await service.label(project, dict(list(TRUTH.items())[:12]))
    run = await advised(service, project, limit=Cost(micro_usd=6_000), batch_size=5)
    assert run.stop_reason is StopReason.BUDGET
    known = await advice_of(service, project)
    assert 0 < len(known) < len(IDS)
    assert run.message.endswith(f"{NAME} has advised on {len(known)} of {len(IDS)} items")
    assert await service.parts.base.store.read(lambda tx: tx.models.latest(project.id)) is not None


async def test_where_no_learner_hears_advice_it_is_said_before_and_after(service: LlmService) -> None:
    project = await service.create(learner=Component("logistic_regression"))
    await service.add(project, IDS)
    run = await advised(service, project)
    assert "only estimates rest on it" in run.message
    quote = await service.parts.runs.quotes.quote(project, run.spec, 5)
    said = "the learner hears no advice (logistic_regression of single_label annotations; the default learner of single"
    assert any(assumption.startswith(said) for assumption in quote.assumptions)


async def test_an_annotator_advises_in_one_run_at_a_time(service: LlmService) -> None:
    """Two would pay for advice about the same items."""
    project, runs = await service.filled(), service.parts.runs.runs
    ended = await advised(service, project)
    assert "no model hears it yet: label some items" in ended.message
    store = service.parts.base.store
    began = await store.write(lambda tx: runs.start(tx, project, ended.spec))
    await store.write(lambda tx: runs.pause(tx, project, began.id))
    with pytest.raises(FailedPrecondition, match=f"{began.id} has {NAME} advise on all items already and is paused"):
        await store.write(lambda tx: runs.start(tx, project, ended.spec))
    other = replace(ended.spec, annotator=AnthropicOptions(MODEL, name="another"))
    await store.write(lambda tx: runs.start(tx, project, other))
    await store.write(lambda tx: runs.start(tx, project, replace(ended.spec, advice=False, limit=Cost(labels=1))))


async def test_predictions_of_items_hear_advice_and_those_of_embeddings_do_not(tmp_path: Path) -> None:
    opened = Service(tmp_path)
    opened.parts.start()
    project = await opened.create()
    await opened.add(project, IDS)
    # Somebody who is always right about items whose embeddings say nothing.
    other = dict(zip(IDS, np.random.default_rng(0).permutation(list(TRUTH.values())).tolist(), strict=True))
    await opened.label(project, {item: other[item] for item in IDS[:30]})
    spec = {"annotator": ReplayOptions("truth"), "limit": Cost(), "batch_size": 45, "advice": True}
    await opened.replay_run(project, other, **spec)
    rows = (await opened.parts.pool.pools.find(project.id, IDS)).tolist()
    embeddings = (await opened.parts.pool.pools.embeddings(project, rows)).astype(np.float32)
    _, heard = await opened.parts.learning.learning.predict(project, embeddings, rows=rows)
    _, alone, unheard = await opened.parts.learning.learning.answers(project, embeddings)
    _, _, advised = await opened.parts.learning.learning.answers(project, embeddings, rows=rows)
    assert {answer.source for answer in unheard} == {AdviceUse.LEARNER}
    assert AdviceUse.LEARNER not in {answer.source for answer in advised}
    right = [project.class_names.index(other[item]) for item in IDS]
    assert heard.argmax(axis=1).tolist() == right
    assert (heard != alone).all()
    _, model = await opened.parts.learning.learning.model(project)
    advice = await opened.parts.learning.learning.advice.features(project.id, rows, project.class_names)
    bodies = [Label(other[item]) for item in IDS]
    found = task_learner(project).evaluate(model, embeddings, bodies, advice)
    assert (found.accuracy, found.measures["accuracy_without_advice"]) == (1.0, (alone.argmax(axis=1) == right).mean())
    assert not task_learner(project).evaluate(model, embeddings, bodies, None).measures
    # The model goes on hearing those whom it knows when another begins to advise.
    (piece,) = await opened.parts.base.store.read(lambda tx: tx.advice.of(project.id, rows[:1]))
    await opened.parts.base.store.write(lambda tx: tx.advice.put([replace(piece, annotator="another")]))
    _, meanwhile = await opened.parts.learning.learning.predict(project, embeddings, rows=rows)
    np.testing.assert_array_equal(meanwhile, heard)
    await opened.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"annotator": HumanOptions()}, "spec.advice"),
        ({"annotator": LearnerOptions()}, "spec.advice"),
        ({"limit": Cost(labels=5)}, "spec.limits.labels"),
        ({"target_accuracy": 0.9}, "spec.targets.accuracy"),
        ({"plateau": Plateau(3)}, "spec.targets.plateau_rounds"),
        ({"train_while_asking": True}, "spec.train_while_asking"),
        (
            {
                "annotator": AnthropicOptions(
                    MODEL,
                    prompt=PromptOptions(demonstration_selection=DemonstrationSelection.FIXED, demonstration_count=3),
                )
            },
            "spec.advice",
        ),
    ],
)
async def test_what_cannot_advise_is_refused(service: LlmService, changes: dict[str, Any], field: str) -> None:
    project = await service.filled()
    with pytest.raises(InvalidArgument) as refused:
        await advised(service, project, **changes)
    assert [violation.field for violation in refused.value.violations] == [field]
