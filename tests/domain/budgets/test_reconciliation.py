from dataclasses import replace

import pytest

from nextlabel.server.domain.budgets import reconciliation
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.money.budgets import Holder
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerKind
from nextlabel.server.values.money.paid_calls import MessageBatchIntent
from nextlabel.server.values.runs.runs import RunState

WORST = Cost(tokens=10, micro_usd=500)


@pytest.fixture
def project(desk):
    return desk.create()


def reserve(desk, project, key, run="run", worst=WORST):
    line = "labels" if worst.labels else "annotation"
    return desk.budgets.reserve(desk.tx, project.id, run, worst, line, key)


def intend(desk, project, *keys):
    intent = MessageBatchIntent("intent", 0.0, {k: {} for k in keys}, dict.fromkeys(keys, WORST), "annotation", "model")
    desk.tx.budgets.put_intent(project.id, intent)


def still_open(desk, project):
    return [r.key for r in desk.tx.budgets.open_reservations(project.id)]


def everything(desk, project):
    """One reservation of every kind, all of the same run but the last two."""
    desk.add_run(project)
    reserve(desk, project, "call")
    reserve(desk, project, "labels/batch", worst=Cost(labels=4))
    reserve(desk, project, "", worst=Cost(labels=2))
    reserve(desk, project, "in-batch")
    intend(desk, project, "in-batch")
    reserve(desk, project, "other-run", run="another")
    reserve(desk, project, "outside", run="")


def test_who_takes_a_run_up_abandons_its_calls_and_keeps_its_labels(desk, project):
    everything(desk, project)
    assert reconciliation.abandon_calls(desk.tx, desk.budgets, project.id, "run") == 1
    assert still_open(desk, project) == ["labels/batch", "", "in-batch", "other-run", "outside"]
    assert desk.budgets.spent(desk.tx, project.id, "run") == WORST


def test_a_run_that_has_ended_leaves_only_leases_and_message_batches_open(desk, project):
    everything(desk, project)
    assert reconciliation.abandon_run(desk.tx, desk.budgets, project.id, "run") == 2
    assert still_open(desk, project) == ["", "in-batch", "other-run", "outside"]
    assert desk.budgets.spent(desk.tx, project.id, "run") == WORST


def test_calls_outside_of_runs_are_abandoned_when_none_can_last_that_long(desk, project):
    everything(desk, project)
    desk.clock.advance(minutes=60)
    reserve(desk, project, "young", run="")
    desk.clock.advance(seconds=1)
    assert reconciliation.abandon_old_calls(desk.tx, desk.budgets) == 1
    assert "outside" not in still_open(desk, project)
    assert "young" in still_open(desk, project)


def test_every_open_reservation_has_a_holder(desk, project):
    everything(desk, project)
    found = {r.key: holder for r, holder in reconciliation.held(desk.tx, desk.budgets, project.id)}
    assert found == {
        "call": Holder.RUN,
        "labels/batch": Holder.RUN,
        "": Holder.LEASE,
        "in-batch": Holder.RUN,
        "other-run": Holder.NOBODY,
        "outside": Holder.CALL,
    }
    desk.tx.runs.update(replace(desk.tx.runs.get("run"), state=RunState.FINISHED))
    desk.clock.advance(hours=2)
    found = {r.key: holder for r, holder in reconciliation.held(desk.tx, desk.budgets, project.id)}
    assert (found["in-batch"], found["outside"], found["call"]) == (
        Holder.MESSAGE_BATCH,
        Holder.NOBODY,
        Holder.NOBODY,
    )


@pytest.mark.parametrize(("refund", "spent"), [(True, Cost()), (False, WORST)])
def test_an_operator_closes_what_a_message_batch_left_open(desk, project, refund, spent):
    desk.add_run(project, state=RunState.FAILED)
    left = reserve(desk, project, "in-batch")
    intend(desk, project, "in-batch")
    for _ in range(2):
        reconciliation.close(desk.tx, desk.budgets, project.id, left.id, refund=refund)
    assert still_open(desk, project) == []
    assert desk.budgets.spent(desk.tx, project.id) == spent


def test_nothing_is_closed_by_hand_that_may_still_be_settled(desk, project):
    everything(desk, project)
    for reservation, holder in reconciliation.held(desk.tx, desk.budgets, project.id):
        if holder is not Holder.NOBODY:
            with pytest.raises(FailedPrecondition, match="in use"):
                reconciliation.close(desk.tx, desk.budgets, project.id, reservation.id, refund=False)
    other = desk.create("sports")
    with pytest.raises(NotFound):
        reconciliation.close(desk.tx, desk.budgets, other.id, reservation.id, refund=False)


def test_the_books_of_a_deleted_project_are_closed_and_stay(desk, project):
    everything(desk, project)
    desk.projects.delete(desk.tx, project.name)
    lines = desk.tx.budgets.entries(project.id)
    reserved, settled, released = (
        sum((e.amount for e in lines if e.kind is kind), start=Cost())
        for kind in (LedgerKind.RESERVE, LedgerKind.SETTLE, LedgerKind.RELEASE)
    )
    assert reserved == settled + released
    assert (settled.labels, settled.micro_usd) == (0, 4 * WORST.micro_usd)
    assert list(desk.tx.projects.deleted(project.name)) == [project.id]
    again = desk.create(project.name)
    assert list(desk.tx.budgets.entries(again.id)) == []
