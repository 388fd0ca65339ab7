"""Runs that are confined to some items."""

import numpy as np
import pytest

from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import ReplayOptions
from nextlabel.server.values.runs.runs import ItemScope, Plateau, RunSpec, StopReason
from tests.domain.service import CLASSES

pytestmark = pytest.mark.started

IDS = [f"i{n}" for n in range(60)]
GOLD = {f"g{n}": CLASSES[n % 3] for n in range(40)}
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
LISTED = ItemScope(listed=1)


async def started(service, project, scope, ids=(), **changes):
    """Start a replay run in a scope and wait for its end; return it with the ids that it has labeled."""
    spec = RunSpec(
        ReplayOptions("truth"), Component("margin"), 4, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 1, items=scope, **changes
    )
    runs, store = service.parts.runs, service.parts.base.store
    listed = await runs.scopes.found(project, ids)
    await store.write(lambda tx: tx.pool.put_replay_labels(project.id, "truth", list(TRUTH.items())))
    run = await service.ended((await store.write(lambda tx: runs.runs.start(tx, project, spec, listed))).id)
    given = await store.read(lambda tx: tx.labeling.annotations(project.id))
    return run, sorted(a.item_id for a in given if a.run == run.id)


async def test_a_run_asks_about_nothing_but_the_items_that_it_lists(service):
    project = await service.create()
    await service.add(project, IDS)
    ids = ["i3", "i40", "i41", "i7", "i59", "i3"]
    run, labeled = await started(service, project, ItemScope(listed=5), ids)
    assert labeled == sorted(set(ids))
    assert (run.stop_reason, run.message.split(";")[0]) == (
        StopReason.POOL_EMPTY,
        "nothing is left to ask of the 5 items of its scope",
    )
    with pytest.raises(NotFound, match=r"no item 'x'; 1 of 2 ids are unknown"):
        await started(service, project, LISTED, ["i1", "x"])


async def test_what_a_learner_leaves_is_looked_up_once(service):
    project = await service.create()
    await service.add(project, list(GOLD), split=Split.GOLD, upload="gold")
    await service.add(project, IDS)
    with pytest.raises(FailedPrecondition, match="no model yet"):
        await started(service, project, ItemScope(below=0.5))
    await service.replay_run(project, TRUTH, limit=Cost(labels=6))
    evidence, _ = await service.parts.reports.quality.deliveries.evidence(project)
    sure_N = evidence.confidences()
    open_n = [row for row in evidence.asked_n.tolist() if row not in evidence.consensus]
    threshold = float(np.median(sure_N[open_n]))
    unsure = sorted(IDS[row - len(GOLD)] for row in open_n if sure_N[row] < threshold)
    assert 0 < len(unsure) < len(open_n)
    run, labeled = await started(service, project, ItemScope(below=threshold))
    assert run.round > 1
    # Models of later rounds are surer or less sure of other items; the run asks about those of its beginning.
    assert labeled == unsure
    _, both = await started(service, project, ItemScope(listed=2, below=1.0), IDS[:2])
    assert set(both) <= set(IDS[:2])


async def test_a_scope_that_cannot_be_says_why(service):
    project = await service.create()
    await service.add(project, IDS)
    for changes, said in (
        ({"items": ItemScope(below=2.0)}, "items.below_confidence"),
        ({"items": LISTED, "audit_share": 0.1}, "audit items are drawn from the whole pool"),
        ({"items": LISTED, "advice": True}, "leave the scope out"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            await service.replay_run(project, TRUTH, **{"limit": Cost(), **changes})
