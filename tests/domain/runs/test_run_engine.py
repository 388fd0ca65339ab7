import asyncio

import pytest

from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.runs.batch_annotation import BatchAnnotation
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.values.errors import InvalidArgument, NotFound, Unavailable
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import ReplayOptions
from nextlabel.server.values.runs.events import BatchSelected, CurvePointAdded, ModelTrained, TargetStated
from nextlabel.server.values.runs.runs import Plateau, RunState, StopReason, Worth
from tests.domain.service import CLASSES, Service

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(60)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}


async def filled(service):
    project = await service.create()
    await service.add(project, [f"h{n}" for n in range(30)], split=Split.HOLDOUT, upload="holdout")
    await service.add(project, IDS)
    return project


async def annotations(service, project):
    return await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))


async def test_a_run_spends_its_budget_and_learns(service):
    project = await filled(service)
    run = await service.replay_run(project, TRUTH)
    assert (run.state, run.stop_reason, run.round) == (RunState.FINISHED, StopReason.BUDGET, 3)
    given = await annotations(service, project)
    assert len(given) == len({a.row for a in given}) == 18
    assert all(TRUTH[a.item_id] == a.label for a in given)
    curve = await service.parts.reports.reports.learning_curve(project, run.id)
    assert [m.labels for m in curve] == [6, 12, 18]
    assert curve[-1].accuracy > 0.8
    assert curve[-1].spent == Cost(labels=18)


async def test_a_batch_is_asked_while_the_model_of_the_one_before_it_is_trained(service, monkeypatch):
    project = await filled(service)
    learn = Rounds.learn
    known: list[int] = []

    async def learn_late(self, project, run, labeled=None):
        # Were the third batch to wait for this model, it would not come.
        for _ in range(2_000 if run.round == 2 else 0):
            known.append(len(await annotations(service, project)))
            if known[-1] == 18:
                break
        return await learn(self, project, run, labeled)

    monkeypatch.setattr(Rounds, "learn", learn_late)
    run = await service.replay_run(project, TRUTH, train_while_asking=True)
    assert known[-1] == 18, "the third batch is answered before the model of the second is there"
    assert (run.stop_reason, run.round) == (StopReason.BUDGET, 3)
    curve = await service.parts.reports.reports.learning_curve(project, run.id)
    assert [(m.round, m.labels) for m in curve] == [(1, 6), (2, 12), (3, 18)], "a model is of its own rounds' labels"
    events = await service.parts.base.store.read(lambda tx: tx.runs.events(run.id, 0, 99))
    selected = [event.happening for event in events if isinstance(event.happening, BatchSelected)]
    assert [batch.rounds_behind for batch in selected] == [0, 0, 1]
    batches = await service.parts.base.store.read(lambda tx: [tx.labeling.batch(batch.batch) for batch in selected])
    assert [batch.model_version for batch in batches] == [0, 1, 1]


async def test_the_next_batch_is_chosen_while_one_is_asked(service, monkeypatch):
    project = await filled(service)
    choose, annotate = Rounds.choose_next, BatchAnnotation.annotate
    chosen = []
    there = asyncio.Event()

    async def told(self, project, run, asked):
        chosen.append(await choose(self, project, run, asked))
        there.set()
        return chosen[-1]

    async def until_it_is_chosen(self, assigned):
        if assigned.run.round == 3:
            async with asyncio.timeout(30):
                await there.wait()
        await annotate(self, assigned)

    monkeypatch.setattr(Rounds, "choose_next", told)
    monkeypatch.setattr(BatchAnnotation, "annotate", until_it_is_chosen)
    run = await service.replay_run(project, TRUTH, train_while_asking=True, limit=Cost(labels=24))
    assert run.round == 4
    batches = await service.parts.base.store.read(lambda tx: tx.labeling.batches(project.id, run.id))
    picks = await service.parts.base.store.read(lambda tx: tx.labeling.picks(batches[3].id))
    assert chosen[0] is not None
    assert [pick.row for pick in picks] == chosen[0].selection.rows_k.tolist()
    given = await annotations(service, project)
    assert len(given) == len({a.row for a in given}) == 24


async def test_a_run_without_a_holdout_tells_of_models_and_of_no_points(service):
    project = await service.create()
    await service.add(project, IDS)
    run = await service.replay_run(project, TRUTH)
    events = await service.parts.base.store.read(lambda tx: tx.runs.events(run.id, 0, 99))
    told = [type(event.happening) for event in events]
    assert (told.count(ModelTrained), told.count(CurvePointAdded)) == (3, 0)


async def test_a_run_whose_beginning_breaks_ends_with_a_reason(service, monkeypatch):
    project = await filled(service)

    async def broken(self, project):
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(Embedding, "wait", broken)
    run = await service.replay_run(project, TRUTH)
    assert (run.state, run.stop_reason) == (RunState.FAILED, StopReason.ERROR)
    assert "internal error" in run.message


async def test_a_run_whose_pool_is_out_of_reach_goes_on_when_it_is_back(service, monkeypatch):
    project = await filled(service)
    wait = Embedding.wait
    tries = 0

    async def out_of_reach(self, project):
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unavailable("the object store cannot be reached", reason="POOL_UNREACHABLE")
        await wait(self, project)

    monkeypatch.setattr(Embedding, "wait", out_of_reach)
    run = await service.replay_run(project, TRUTH)
    assert (run.stop_reason, tries) == (StopReason.BUDGET, 2)


async def test_selection_is_reproducible_from_model_pool_settings_and_seed(tmp_path):
    picked = []
    for folder in ("one", "two"):
        service = Service(tmp_path / folder)
        service.parts.start()
        project = await filled(service)
        await service.replay_run(project, TRUTH, seed=7)
        picked.append([a.item_id for a in await annotations(service, project)])
        await service.close()
    assert picked[0] == picked[1]


async def test_holdout_and_gold_are_neither_asked_nor_trained_on(service):
    project = await filled(service)
    await service.replay_run(project, TRUTH, limit=Cost(), batch_size=25)
    labeled = await service.parts.learning.learning.labeled(project)
    references = (await service.parts.pool.pools.open(project.id)).references
    assert not set(labeled.rows_N.tolist()) & set(references)
    assert len(labeled.rows_N) == len(IDS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit": Cost()}, StopReason.POOL_EMPTY),
        ({"max_rounds": 2}, StopReason.MAX_ROUNDS),
        ({"target_accuracy": 0.5, "limit": Cost()}, StopReason.TARGET),
        ({"target_macro_f1": 0.5, "limit": Cost()}, StopReason.TARGET),
        ({"stable_kappa": 0.5, "limit": Cost()}, StopReason.STABLE),
        ({"plateau": Plateau(1, 0.9), "limit": Cost()}, StopReason.PLATEAU),
        ({"worth": Worth(1, 1_000_000), "limit": Cost()}, StopReason.NOT_WORTH),
        ({"worth": Worth(1_000_000_000, 1), "limit": Cost()}, StopReason.POOL_EMPTY),
    ],
)
async def test_a_run_ends_for_the_stated_reason(service, changes, reason):
    run = await service.replay_run(await filled(service), TRUTH, **changes)
    assert (run.state, run.stop_reason) == (RunState.FINISHED, reason)


async def test_a_reading_above_the_target_ends_no_run_that_its_holdout_cannot_vouch_for(service):
    project = await filled(service)
    run = await service.replay_run(project, TRUTH, target_accuracy=0.95, limit=Cost())
    curve = await service.parts.reports.reports.learning_curve(project, run.id)
    assert max(m.accuracy for m in curve) >= 0.95
    assert run.stop_reason is StopReason.POOL_EMPTY
    said = await service.parts.base.store.read(lambda tx: tx.runs.last(run.id, TargetStated))
    assert (said.measure, said.holdout_items, said.fewest_right) == ("accuracy", 30, None)
    assert "30 holdout items cannot show accuracy of 0.95, not even with all right" in said.detail


async def test_the_end_of_a_run_says_what_going_on_would_bring(service):
    project = await filled(service)
    few = await service.replay_run(project, TRUTH, max_rounds=1)
    assert "forecast" not in few.message
    enough = await service.replay_run(project, TRUTH, max_rounds=5, limit=Cost())
    assert "200 more labels are forecast to gain" in enough.message


async def test_a_run_says_what_labels_cost_and_what_they_could_bring(service):
    run = await service.replay_run(await filled(service), TRUTH, limit=Cost(), worth=Worth(10_000, 50_000))
    assert "200 more labels cost about $10.00" in run.message
    assert "at $0.01 a point, 3 rounds in a row" in run.message
    assert "200 more labels are forecast to gain" in run.message


def after_first_training(monkeypatch, change):
    """Have something done once, when a run has trained its first model."""
    learn, waiting = Rounds.learn, [change]

    async def learn_and_change(self, project, run):
        model = await learn(self, project, run)
        if waiting:
            await waiting.pop()()
        return model

    monkeypatch.setattr(Rounds, "learn", learn_and_change)


async def test_a_class_that_is_added_and_used_meanwhile_is_learned_by_the_run(service, monkeypatch):
    project = await filled(service)

    async def add_and_use():
        changed = await service.add_class(project, "down")
        await service.label(changed, {"i58": "down", "i59": "down"})

    after_first_training(monkeypatch, add_and_use)
    run = await service.replay_run(project, TRUTH)
    assert run.stop_reason is StopReason.BUDGET
    _, model = await service.parts.learning.learning.model(project)
    assert model.classes == (*CLASSES, "down")


async def test_guidelines_accepted_meanwhile_are_what_the_next_round_goes_by(service, monkeypatch):
    project = await filled(service)
    parts = service.parts

    async def accept():
        await parts.base.store.write(
            lambda tx: parts.projects.projects.add_guidelines(tx, project.name, "better", author="ann")
        )

    after_first_training(monkeypatch, accept)
    seen = []
    annotate = ReplayAnnotator.annotate

    def noting(self, task, items):
        seen.append(task.guidelines.version)
        return annotate(self, task, items)

    monkeypatch.setattr(ReplayAnnotator, "annotate", noting)
    await service.replay_run(project, TRUTH)
    assert seen == [1, 2, 2]


async def test_a_project_budget_binds_every_run(service):
    project = await filled(service)
    labels = BudgetDimension.LABELS
    await service.parts.base.store.write(
        lambda tx: service.parts.projects.budgets.set_limit(tx, project.id, "", Window.TOTAL, labels, 10)
    )
    run = await service.replay_run(project, TRUTH, limit=Cost(labels=50))
    assert run.stop_reason is StopReason.BUDGET
    assert len(await annotations(service, project)) == 10


async def test_unknown_items_become_outcomes_not_labels(service):
    project = await filled(service)
    run = await service.replay_run(project, dict(list(TRUTH.items())[:30]), limit=Cost(), max_rounds=4)
    outcomes = {a.outcome.value for a in await annotations(service, project)}
    assert outcomes == {"label", "failed"}
    spent = await service.parts.base.store.read(lambda tx: service.parts.projects.budgets.spent(tx, project.id, run.id))
    assert spent.labels == sum(a.label is not None for a in await annotations(service, project))


async def test_a_run_without_labels_to_replay_is_refused_with_the_sets_there_are(service):
    project = await filled(service)
    missing = ReplayOptions("missing")
    with pytest.raises(NotFound, match="no replay labels named 'missing'; it has none yet"):
        await service.replay_run(project, {}, annotator=missing)
    with pytest.raises(NotFound, match=r"it has 'truth'$"):
        await service.replay_run(project, TRUTH, annotator=missing)
    assert await service.parts.base.store.read(lambda tx: tx.runs.list(project.id)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"annotator": ReplayOptions()},
        {"annotator": ReplayOptions("x", noise=2.0)},
        {"strategy": Component("marginn")},
        {"strategy": Component("margin", {"temprature": 1.0})},
        {"batch_size": 0},
        {"audit_share": 2.0},
        {"limit": Cost(labels=-1)},
    ],
)
async def test_a_wrong_specification_is_refused_before_anything_starts(service, changes):
    project = await filled(service)
    with pytest.raises(InvalidArgument):
        await service.replay_run(project, TRUTH, **changes)
    assert await annotations(service, project) == []


async def test_a_run_goes_on_after_a_restart_without_asking_twice(tmp_path):
    first = Service(tmp_path)
    project = await filled(first)
    first.parts.start()
    starting = asyncio.create_task(first.replay_run(project, TRUTH, limit=Cost(labels=36)))
    await first.until(lambda: annotations(first, project))
    starting.cancel()
    (run,) = await first.parts.base.store.read(lambda tx: tx.runs.list(project.id))
    await first.close()
    second = Service(tmp_path)
    second.parts.start()
    run = await second.ended(run.id)
    given = await annotations(second, project)
    assert run.stop_reason is StopReason.BUDGET
    assert len(given) == len({a.row for a in given}) == 36
    await second.close()
