import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import SubmitStatus
from nextlabel.server.values.errors import BudgetExhausted, FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.labeling.answers import Label, MultiLabel
from nextlabel.server.values.labeling.leases import LeaseState
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.server.values.runs.runs import RunState

NOBODY = KnownRows({}, {})


def lease(desk, project, annotator, count, **more):
    return desk.labeling.lease(desk.tx, project, annotator, count, **more)


def submit(desk, project, leased, labels, *, annotator="", known=NOBODY):
    answers = [Submission(item, Label(label)) for item, label in labels.items()]
    lease_id = leased.lease.id if leased else ""
    return desk.submissions.submit(desk.tx, project, annotator, lease_id, answers, known)


def statuses(results):
    return [r.status for r in results]


def items(leased):
    return [p.item_id for p in leased.picks]


def test_annotators_get_different_items_until_none_is_open(desk):
    project = desk.create()
    desk.add_batch(project, range(5))
    first, second = lease(desk, project, "ann", 3), lease(desk, project, "bob", 3)
    assert items(first) == ["item0", "item1", "item2"]
    assert items(second) == ["item3", "item4"]
    assert lease(desk, project, "cid", 3) is None


def test_overlap_gives_an_item_to_as_many_annotators_and_never_twice_to_one(desk):
    project = desk.create(overlap=2)
    desk.add_batch(project, range(2))
    assert items(lease(desk, project, "ann", 9)) == ["item0", "item1"]
    assert lease(desk, project, "ann", 9) is None
    assert items(lease(desk, project, "bob", 9)) == ["item0", "item1"]
    assert lease(desk, project, "cid", 9) is None


def test_an_expired_lease_gives_its_items_back(desk):
    project = desk.create(lease_ttl_s=60.0)
    desk.add_batch(project, range(2))
    lease(desk, project, "ann", 2)
    desk.clock.advance(seconds=59)
    assert lease(desk, project, "bob", 2) is None
    desk.clock.advance(seconds=1)
    assert items(lease(desk, project, "bob", 2)) == ["item0", "item1"]


def test_an_extended_lease_lives_on(desk):
    project = desk.create(lease_ttl_s=60.0)
    desk.add_batch(project, range(1))
    leased = lease(desk, project, "ann", 1)
    desk.clock.advance(seconds=50)
    desk.labeling.extend(desk.tx, project, leased.lease.id)
    desk.clock.advance(seconds=50)
    assert lease(desk, project, "bob", 1) is None
    desk.clock.advance(seconds=20)
    with pytest.raises(FailedPrecondition):
        desk.labeling.extend(desk.tx, project, leased.lease.id)


def test_a_released_lease_gives_back_what_is_unanswered(desk):
    project = desk.create()
    desk.add_batch(project, range(3))
    leased = lease(desk, project, "ann", 3)
    submit(desk, project, leased, {"item1": "a"})
    assert desk.labeling.release(desk.tx, project, leased.lease.id) == 2
    assert items(lease(desk, project, "bob", 3)) == ["item0", "item2"]


def test_answers_are_judged_one_by_one(desk):
    project = desk.create()
    desk.add_batch(project, range(3))
    leased = lease(desk, project, "ann", 3)
    answers = [
        Submission("item0", Label("a")),
        Submission("item1", Label("nonsense")),
        Submission("item2", MultiLabel(("a",))),
        Submission("other", Label("a")),
        Submission("item0", Label("b")),
        Submission("item2", Label("b"), confidence=7.0),
    ]
    results = desk.submissions.submit(desk.tx, project, "", leased.lease.id, answers, NOBODY)
    refused = SubmitStatus.REFUSED
    assert statuses(results) == [SubmitStatus.ACCEPTED, refused, refused, refused, refused, refused]
    assert "'a', 'b', 'c'" in results[1].message
    (kept,) = desk.tx.labeling.annotations(project.id)
    assert (kept.item_id, kept.label, kept.trusted) == ("item0", "a", True)


def test_a_fully_answered_lease_is_done_and_answers_are_kept_once(desk):
    project = desk.create()
    desk.add_batch(project, range(2))
    leased = lease(desk, project, "ann", 2)
    submit(desk, project, leased, {"item0": "a", "item1": "b"})
    assert desk.tx.labeling.lease(leased.lease.id).state is LeaseState.DONE
    again = submit(desk, project, leased, {"item0": "a", "item1": "b"})
    assert statuses(again) == [SubmitStatus.DUPLICATE] * 2
    assert len(desk.tx.labeling.annotations(project.id)) == 2


def test_a_late_answer_is_taken_while_it_is_useful(desk):
    project = desk.create(lease_ttl_s=60.0)
    desk.add_batch(project, range(2))
    late = lease(desk, project, "ann", 2)
    desk.clock.advance(seconds=61)
    submit(desk, project, lease(desk, project, "bob", 1), {"item0": "b"})
    results = submit(desk, project, late, {"item0": "a", "item1": "a"})
    assert statuses(results) == [SubmitStatus.REFUSED, SubmitStatus.ACCEPTED_LATE]
    assert lease(desk, project, "cid", 2) is None


def test_items_can_be_answered_without_a_lease(desk):
    project = desk.create()
    known = KnownRows({"item7": 7, "held": 8}, {8: "item 'held' is a holdout item"})
    results = submit(desk, project, None, {"item7": "c", "held": "a", "ghost": "a"}, annotator="ann", known=known)
    assert statuses(results) == [SubmitStatus.ACCEPTED, SubmitStatus.REFUSED, SubmitStatus.REFUSED]
    assert "holdout" in results[1].message
    again = submit(desk, project, None, {"item7": "c"}, annotator="ann", known=known)
    assert statuses(again) == [SubmitStatus.DUPLICATE]
    with pytest.raises(InvalidArgument):
        submit(desk, project, None, {"item7": "c"}, known=known)


def label_balance(desk, project):
    (budget,) = desk.tx.budgets.budget(project.id, "")
    return budget.spent.labels, budget.reserved.labels


def test_a_lease_reserves_labels_and_answers_spend_them(desk):
    project = desk.create(lease_ttl_s=60.0)
    desk.budgets.set_limit(desk.tx, project.id, "", Window.TOTAL, BudgetDimension.LABELS, 3)
    desk.add_batch(project, range(5))
    leased = lease(desk, project, "ann", 2)
    assert label_balance(desk, project) == (0, 2)
    submit(desk, project, leased, {"item0": "a"})
    assert label_balance(desk, project) == (1, 1)
    assert items(lease(desk, project, "bob", 5)) == ["item2"]
    with pytest.raises(BudgetExhausted):
        lease(desk, project, "cid", 1)
    desk.clock.advance(seconds=61)
    assert desk.labeling.expire(desk.tx, project.id) == 2
    assert label_balance(desk, project) == (1, 0)


def test_what_an_ended_run_left_open_is_leased_at_the_expense_of_the_project(desk):
    project = desk.create()
    desk.add_run(project, "r1", RunState.FINISHED)
    desk.budgets.set_limit(desk.tx, project.id, "r1", Window.TOTAL, BudgetDimension.LABELS, 0)
    desk.budgets.set_limit(desk.tx, project.id, "", Window.TOTAL, BudgetDimension.LABELS, 9)
    desk.add_batch(project, range(2), run="r1")
    desk.add_batch(project, range(2, 4))
    leased = lease(desk, project, "ann", 3)
    assert items(leased) == ["item0", "item1", "item2"]
    assert statuses(submit(desk, project, leased, {"item0": "a"})) == [SubmitStatus.ACCEPTED]
    assert label_balance(desk, project) == (1, 2)


def test_answers_beyond_the_budget_are_refused_per_item(desk):
    project = desk.create()
    desk.budgets.set_limit(desk.tx, project.id, "", Window.TOTAL, BudgetDimension.LABELS, 1)
    known = KnownRows({"x": 1, "y": 2}, {})
    results = submit(desk, project, None, {"x": "a", "y": "a"}, annotator="ann", known=known)
    assert statuses(results) == [SubmitStatus.ACCEPTED, SubmitStatus.REFUSED]
    assert "budget" in results[1].message
    assert label_balance(desk, project) == (1, 0)


def test_a_lease_of_another_project_does_not_exist(desk):
    mine, other = desk.create("mine"), desk.create("other")
    desk.add_batch(mine, range(1))
    leased = lease(desk, mine, "ann", 1)
    with pytest.raises(NotFound):
        submit(desk, other, leased, {"item0": "a"})


@pytest.mark.parametrize(
    ("annotator", "count", "ttl", "field"),
    [("", 1, 60.0, "annotator"), ("a\n", 1, 60.0, "annotator"), ("a", 0, 60.0, "count"), ("a", 1, 0.0, "ttl")],
)
def test_a_wrong_lease_request_names_the_field(desk, annotator, count, ttl, field):
    with pytest.raises(InvalidArgument) as error:
        lease(desk, desk.create(), annotator, count, ttl_s=ttl)
    assert field in {v.field for v in error.value.violations}
