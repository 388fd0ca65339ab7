"""Runs that would ask in vain say so before anybody is asked or paid."""

import pytest

from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, HumanOptions
from nextlabel.server.values.runs.runs import RunState, StopReason
from tests.domain.llm_service import MODEL, llm_service
from tests.domain.service import CLASSES, Service

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(12)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}


async def test_labels_of_no_item_are_refused_with_an_id_of_each_side(service: Service) -> None:
    project = await service.create()
    await service.add(project, ["g0"], split=Split.GOLD, upload="gold")
    await service.add(project, IDS)
    run = await service.replay_run(project, {"row-1": "up", "row-2": "up", "g0": "left"})
    assert (run.state, run.stop_reason, run.round) == (RunState.FAILED, StopReason.ERROR, 0)
    assert "none of the 3 ids of the replay labels 'truth'" in run.message
    assert "one of the 12 items" in run.message
    assert "'i0'" in run.message
    assert not await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))


@pytest.mark.parametrize(("known", "caveat"), [(12, ""), (4, "know 4 of the 12 items of the pool")])
async def test_how_many_items_have_a_known_label_is_told_where_some_have_none(
    service: Service, known: int, caveat: str
) -> None:
    project = await service.create()
    await service.add(project, IDS)
    run = await service.replay_run(project, {item: TRUTH[item] for item in IDS[:known]}, limit=Cost())
    assert run.state is RunState.FINISHED
    assert caveat in run.message
    assert ("the replay labels" in run.message) == bool(caveat)


async def test_labels_of_pairs_that_are_made_while_a_run_asks_are_no_strangers(service: Service) -> None:
    project = await service.create(annotation_type=AnnotationType.PREFERENCE)
    await service.add(project, ["a", "b", "c"])
    run = await service.replay_run(project, {"of-no-pair-yet": "a"}, limit=Cost())
    assert run.round > 0, run.message


@pytest.mark.parametrize(
    ("annotator", "advice"),
    [(AnthropicOptions(MODEL), False), (AnthropicOptions(MODEL), True), (HumanOptions("ann"), False)],
)
async def test_an_empty_pool_is_told_before_anybody_is_asked(tmp_path, monkeypatch, annotator, advice) -> None:
    async with llm_service(tmp_path, monkeypatch) as service:
        project = await service.create()
        await service.add(project, ["h0", "h1", "h2"], split=Split.HOLDOUT, upload="holdout")
        run = await service.replay_run(project, TRUTH, annotator=annotator, limit=Cost(), advice=advice)
        assert (run.stop_reason, run.round) == (StopReason.POOL_EMPTY, 0)
        assert "the pool of project news has no items" in run.message
        assert not service.fake.requests
